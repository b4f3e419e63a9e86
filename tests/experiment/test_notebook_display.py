"""Progress in a notebook: one output that is replaced, with a stand-in for IPython's display function."""

import sys
import types

import pytest
from rich.console import Console

import retiarii.nn.pytorch as nn
from retiarii.experiment import Ending, RetiariiExeConfig, RetiariiExperiment
from retiarii.experiment._displays.supernet_display import SupernetDisplay
from retiarii.space import Integer, SearchSpace
from retiarii.storage import EpochRecord
from retiarii.terminal import SafeConsole


class Outputs:
    """What a notebook shows: for each display id the contents that were sent, the last of which is seen."""

    def __init__(self):
        self.sent = []

    def display(self, data, *, raw, display_id):
        assert raw
        assert display_id is True
        contents = [data]
        self.sent.append(contents)
        return types.SimpleNamespace(update=lambda data, *, raw: contents.append(data))


@pytest.fixture
def notebook(monkeypatch):
    outputs = Outputs()
    module = types.ModuleType("IPython.display")
    module.display = outputs.display
    package = types.ModuleType("IPython")
    package.display = module
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert Console().is_jupyter
    return outputs


def evaluate(architecture):
    if architecture["width"] == 3:
        raise ValueError("<img src=x onerror=alert(1)>")
    return architecture["width"]


def test_a_search_is_one_output_whose_last_state_stays(notebook, capfd):
    config = RetiariiExeConfig("in_process", max_trial_number=4, experiment_name="<b>mine</b>")
    RetiariiExperiment(SearchSpace([Integer("width", 1, 4)]), evaluate).run(config)
    (contents,) = notebook.sent
    assert len(contents) > 1
    last = contents[-1]
    assert "4/4" in last["text/plain"]
    assert "best   4" in last["text/plain"]
    assert "ended: max_trial_number was reached" in last["text/plain"]
    assert "&lt;b&gt;mine&lt;/b&gt;" in last["text/html"]
    assert "<b>" not in last["text/html"]
    assert "<img" not in last["text/html"]
    assert capfd.readouterr().err == ""


def test_the_training_of_a_supernet_is_one_output(notebook):
    display = SupernetDisplay("net (abc)", SafeConsole(stderr=True))
    display.on_supernet_start(0, 2)
    display.notify("Stopping after this epoch")
    assert "Stopping after this epoch" in notebook.sent[0][-1]["text/plain"]
    for number in range(2):
        display.on_batch(5, 10)
        display.on_supernet_epoch(EpochRecord(number, metrics={"default": 0.25 + number}))
    display.on_experiment_end(Ending.STOPPED)
    display.close()
    display.close()
    (contents,) = notebook.sent
    assert "2/2" in contents[-1]["text/plain"]
    assert "supernet 1.25" in contents[-1]["text/plain"]
    assert "Interrupting" not in contents[-1]["text/plain"]


def test_a_search_that_ends_with_an_error_leaves_its_last_state(notebook):
    def stop(model):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RetiariiExperiment(nn.Linear(2, 2), stop).run(RetiariiExeConfig("in_process", max_trial_number=1))
    (contents,) = notebook.sent
    assert "0/1" in contents[-1]["text/plain"]


def test_a_search_in_the_background_writes_below_the_cell_that_started_it(notebook):
    experiment = RetiariiExperiment(SearchSpace([Integer("width", 1, 2)]), evaluate)
    experiment.start(RetiariiExeConfig("in_process", max_trial_number=1))
    assert notebook.sent[0][0]["text/plain"].strip() == "starting"  # while the cell runs; later outputs may be lost
    experiment.wait()
    (contents,) = notebook.sent
    assert "1/1" in contents[-1]["text/plain"]
    experiment.run(RetiariiExeConfig("in_process", max_trial_number=1))
    assert len(notebook.sent) == 2  # an output of its own


def test_no_output_is_reserved_without_a_display(notebook):
    experiment = RetiariiExperiment(SearchSpace([Integer("width", 1, 2)]), evaluate)
    experiment.start(RetiariiExeConfig("in_process", max_trial_number=1, progress=False))
    experiment.wait()
    assert notebook.sent == []
