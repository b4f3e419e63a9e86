"""Every page of the dashboard, checked with axe-core, wide and light as well as narrow and dark."""

import math

import pytest
from written_experiments import SPACE, write_experiment

from retiarii.dashboard._pages.frame import PAGES, address
from retiarii.storage import EpochRecord, ExperimentState

ADDRESSES = [
    "/",
    *(address("aa11", page) for page in PAGES),
    address("bb22", "architecture"),
    address("cc33", "oneshot"),
]


@pytest.fixture(scope="module")
def server(module_store, serve):
    """A dashboard with a search of many trials, one whose process was killed, and a one-shot search."""
    write_experiment(module_store, "aa11")
    write_experiment(module_store, "bb22", state=ExperimentState.RUNNING, num_trials=12)
    write_experiment(module_store, "cc33", num_trials=1)
    values = {choice.label: choice.values for choice in SPACE}
    for epoch in range(3):
        record = {
            "probabilities": {label: dict.fromkeys(map(str, found), 1 / len(found)) for label, found in values.items()},
            "entropy": {label: math.log(len(found)) for label, found in values.items()},
            "max_entropy": {label: math.log(len(found)) for label, found in values.items()},
            "sampled": [],
            "temperature": None,
        }
        module_store.write_epoch("cc33", EpochRecord(epoch, record, {"val_loss": 1.0 / (epoch + 1)}))
    return serve(module_store).address


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)], ids=["wide and light", "narrow and dark"])
def test_pages_have_no_serious_fault_and_fit_the_window(server, new_page, axe, width, dark):
    page = new_page(width=width, dark=dark)
    for path in ADDRESSES:
        answer = page.goto(server + path)
        assert answer.status == 200, path
        page.get_by_role("heading", level=1).wait_for()
        page.wait_for_timeout(500)  # charts and tables follow
        axe(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} is wider than the window"
