import os
import re
import socket

import pytest
from written_experiments import write_experiment

from retiarii.storage import ExperimentState, open_store

HOSTILE = '<img src=x onerror="document.title=1"><b>name</b>'


def test_the_list_of_experiments_follows_the_store_and_can_be_filtered(module_store, serve, page, axe):
    page.goto(serve(module_store).address)
    page.get_by_text("No experiments yet").wait_for()
    write_experiment(module_store, "first", name=HOSTILE, num_trials=20)
    page.get_by_role("link", name=HOSTILE).wait_for()  # without a reload
    write_experiment(module_store, "second", name="killed", num_trials=10, state=ExperimentState.RUNNING)
    rows = page.locator("tbody tr")
    page.get_by_text("2 experiments in").wait_for()
    assert re.findall(r"killed|<b>name</b>", " ".join(rows.all_inner_texts())) == ["killed", "<b>name</b>"]
    assert page.locator("tbody img").count() == 0
    assert rows.first.get_by_text("interrupted").count() == 1
    axe(page)
    page.get_by_role("button", name="Dark theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    axe(page)
    page.get_by_label("Filter by name").fill("KILL")
    page.get_by_text(HOSTILE).wait_for(state="detached")
    page.get_by_label("Filter by name").fill("")
    page.get_by_label("Filter by state").select_option("done")
    page.get_by_text("killed").wait_for(state="detached")
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"  # remembered
    page.get_by_role("button", name="Experiment", exact=True).click()
    page.locator("th[aria-sort=ascending]", has_text="Experiment").wait_for()
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.slow
def test_pages_say_when_the_process_was_killed_the_experiment_is_missing_or_the_server_ended(
    tmp_path, serve, page, page_errors
):
    with open_store(f"sqlite:///{tmp_path / 'experiments.db'}") as store:
        write_experiment(store, "killed", num_trials=3, state=ExperimentState.RUNNING)
        server = serve(store)
        page.goto(f"{server.address}/experiments/killed/system")
        page.get_by_role("alert").get_by_text("retiarii resume killed").wait_for()
        page.get_by_text("No process of this experiment runs on this machine.").wait_for()
        page.goto(f"{server.address}/experiments/missing/system")
        page.get_by_role("alert").get_by_text("There is no experiment 'missing'").first.wait_for()
        server.kill()
        page.get_by_text("The dashboard's server does not answer.").wait_for()
        assert "retiarii dashboard" in page.locator("#popup").inner_text()
    page_errors.clear()


@pytest.mark.slow
def test_the_system_page_shows_the_processes_of_a_running_experiment(tmp_path, serve, page, axe):
    with open_store(f"sqlite:///{tmp_path / 'experiments.db'}") as store:
        write_experiment(store, "running", num_trials=3, state=ExperimentState.RUNNING)
        release = store.acquire("running")
        try:
            store.update_experiment("running", pid=os.getpid(), host=socket.gethostname())
            page.goto(f"{serve(store).address}/experiments/running/system")
            page.get_by_role("rowheader", name=str(os.getpid())).wait_for()
            page.get_by_text("torch", exact=True).wait_for()
            axe(page)
        finally:
            release()
