import asyncio

import pytest
from chromium_path import BROWSER, find_browser
from written_experiments import write_experiment


def test_a_browser_shows_the_experiments_of_a_store(module_store, serve, page):
    write_experiment(module_store, name="my first search")
    page.goto(serve(module_store).address)
    page.get_by_role("link", name="my first search").wait_for()
    assert "retiarii" in page.title()


@pytest.mark.usefixtures("_chromium")
def test_other_tests_have_event_loops_of_their_own_beside_the_shared_browser():
    assert asyncio.run(asyncio.sleep(0, "done")) == "done"


def test_a_missing_browser_is_an_error_that_says_how_to_install_it(monkeypatch):
    monkeypatch.setenv(BROWSER, "/nowhere/chromium")
    with pytest.raises(FileNotFoundError, match=r"/nowhere/chromium.*make browser.*apt-get install chromium"):
        find_browser()
