"""A search for the tests of trackers: odd labels, and trials that complete, fail and are pruned."""

import threading

import pytest

from retiarii import TrialPruned
from retiarii.experiment import Callback, RetiariiExeConfig, RetiariiExperiment
from retiarii.space import Categorical, SearchSpace, Subset
from retiarii.strategy import GridSearch

ODD = "größe [1]/../<b>"
SPACE = SearchSpace(
    [
        Categorical("kind", ["good", "bad", "slow"]),
        Categorical(ODD, [1]),
        Categorical("größe [2]/../<b>", [True]),
        Subset("inputs", ["a", "b"], 2, 2),
    ]
)
"""Three architectures: the trials 0, 1 and 2."""


def evaluate(architecture, context):
    """Return a metric, fail with a long message, or end as pruned."""
    for step in range(3):
        context.report({"default": step / 10, "loss ($)": 1.0 - step})
    if architecture["kind"] == "bad":
        raise ValueError("<script>no</script> \x00 " + "long " * 3000 + "the end")
    if architecture["kind"] == "slow":
        raise TrialPruned
    return {"default": 0.75, "loss ($)": 0.5}


def search(callback, place, *others, **settings):
    experiment = RetiariiExperiment(SPACE, evaluate, [], GridSearch(shuffle=False), callbacks=[callback, *others])
    config = RetiariiExeConfig("in_process", storage=place / "store.db", progress=False, experiment_name="odd/näme")
    for name, value in settings.items():
        setattr(config, name, value)
    if others:
        with pytest.raises(RuntimeError, match="interrupted"):
            experiment.run(config)
    else:
        experiment.run(config)
    return experiment


def resume(experiment, callback, place, **changes):
    callbacks = None if callback is None else [callback]
    return RetiariiExperiment.resume(
        experiment.id, storage=place / "store.db", callbacks=callbacks, progress=False, **changes
    )


class Interrupting(Callback):
    """Stops the experiment with an error in the middle of a trial."""

    def __init__(self, number):
        self.number = number

    def on_intermediate(self, trial, metrics):
        if trial.number == self.number and len(trial.intermediates) == 2:
            raise RuntimeError("interrupted")


def num_trackers():
    return sum(thread.name.startswith("retiarii-") for thread in threading.enumerate())
