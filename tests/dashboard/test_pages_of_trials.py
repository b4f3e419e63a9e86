import pytest
from written_experiments import write_experiment, written_trials

from retiarii.storage import ExperimentState
from retiarii.trial import Failure, FailureKind, TrialState

EVIL = "<img src=x onerror='document.title=1'> <script>document.title=2</script>"


@pytest.fixture(scope="module")
def store(module_store):
    write_experiment(module_store, "aa11", num_trials=120, name=EVIL)
    write_experiment(module_store, "bb22", num_trials=12, state=ExperimentState.RUNNING)
    trial = written_trials(121)[120].evolve(
        state=TrialState.FAILED,
        failure=Failure(FailureKind.RAISED, EVIL, f"Traceback\n{EVIL}"),
        output="x\n" * 100_000 + EVIL,
    )
    module_store.write("aa11", trials=[trial])
    return module_store


def test_the_reason_of_failures_comes_first_and_its_traceback_is_one_click_away(store, serve, page):
    page.goto(f"{serve(store).address}/experiments/aa11")
    reason = page.locator("details.reason", has_text="onerror")
    reason.locator("summary").click()
    reason.get_by_text("Traceback").wait_for()
    assert EVIL in reason.inner_text()
    assert "200 KB" in reason.inner_text()
    assert page.title() not in {"1", "2"}
    assert page.locator("img").count() == 0


def test_a_new_trial_appears_without_reload_and_filters_stay(store, serve, page):
    page.goto(f"{serve(store).address}/experiments/bb22/trials")
    page.get_by_role("link", name="11", exact=True).wait_for()
    page.get_by_label("Search").fill("1")
    store.write("bb22", trials=[written_trials(14)[13]])
    page.get_by_role("link", name="13", exact=True).wait_for()
    assert page.get_by_label("Search").input_value() == "1"


@pytest.mark.slow
def test_trials_are_filtered_and_sorted_paged_and_compared(store, serve, page, axe):
    address = serve(store).address
    page.goto(f"{address}/experiments/aa11/trials?state=completed")
    page.get_by_text("96 of 121 trials").wait_for()
    page.get_by_role("button", name="result").click()
    page.wait_for_url("**sort=metric%3Adefault**")
    page.get_by_role("button", name="Next").click()
    page.get_by_text("51–96 of 96").wait_for()  # noqa: RUF001
    link = page.url
    boxes = page.get_by_role("checkbox", name="Choose")
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("link", name="Compare 2 trials").click()
    page.locator("table.compare").wait_for()
    assert page.locator("table.compare thead a").count() == 2
    axe(page)
    page.goto(link)
    page.get_by_text("51–96 of 96").wait_for()  # noqa: RUF001
    page.goto(f"{address}/experiments/aa11/trials/120")
    page.get_by_text("of output").wait_for()
    assert page.locator("img").count() == 0
    axe(page)
