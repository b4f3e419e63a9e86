import json

import pytest

from retiarii.cli import main
from retiarii.space import Categorical, SearchSpace
from retiarii.storage import ExperimentRecord, ExperimentState, open_store
from retiarii.trial import Failure, FailureKind, Trial, TrialState

SPACE = SearchSpace(
    [Categorical("op", values=("conv", "pool"), declared_at="Net.op"), Categorical("width", values=(8, 16))]
)
BUG = Failure(FailureKind.RAISED, "ValueError: bad width", "Traceback: ...\nValueError: bad width")


class Outcome:
    """How a command ended, and what it printed."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command line in this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        printed = capsys.readouterr()
        return Outcome(ended.value.code or 0, printed.out, printed.err)

    return run


@pytest.fixture
def store():
    """The default store with one experiment that is done (``aa11``) and one that was killed (``bb22``)."""
    with open_store() as store:
        for experiment_id, state in (("aa11", ExperimentState.DONE), ("bb22", ExperimentState.RUNNING)):
            record = ExperimentRecord(experiment_id, name=f"[b]{experiment_id}", state=state, space=SPACE.to_json())
            store.create_experiment(record)
        done = [
            trial(0, "conv", 0.5, intermediates=({"default": 0.25}, {"default": float("nan")})),
            trial(1, "pool", 0.75),
            trial(2, "conv").evolve(state=TrialState.FAILED, failure=BUG, output="\x1b[31mepoch 1\x1b[0m", ended=9.0),
            trial(3, "pool").evolve(state=TrialState.FAILED, failure=BUG, ended=9.0),
        ]
        store.write("aa11", trials=done)
        store.write("bb22", trials=[trial(0, "conv")])
        yield store


def trial(number, op, metric=None, **fields):
    architecture = SPACE.architecture({"op": op, "width": 8})
    if metric is None:
        return Trial(number, architecture, started=1.0)
    end = {"state": TrialState.COMPLETED, "metrics": {"default": metric}, "started": 1.0, "ended": 3.5}
    return Trial(number, architecture, finish_order=number, device="cpu", **end, **fields)
