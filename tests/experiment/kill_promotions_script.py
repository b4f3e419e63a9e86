"""Run (or resume) an experiment whose trials continue others from checkpoints; tests kill this process.

Usage: kill_promotions_script.py STORE SENTINEL run|resume [ID]

``TEST_DIE=STEP:COUNT`` kills the process itself at the so-manieth step of that name; see `at_step`.
"""

import json
import os
import shutil
import signal
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import moocore  # noqa: F401 - NSGA2 uses it, and forks of this process find it imported
from forking_executor import ForkingExecutor

from retiarii import RetiariiExeConfig, RetiariiExperiment, at_most
from retiarii.space import Float, Integer, SearchSpace, rng_for
from retiarii.storage import open_store
from retiarii.strategy import ASHA, NSGA2, Hyperband, MedianStop, Search, Strategy
from retiarii.trial import Fidelity, Proposal

WEIGHTS = 4000  # bytes
HAS_FILES = os.environ.get("TEST_FILES") != "none"
SPACE = SearchSpace([Float("quality", 0, 1), Integer("width", 1, 9)])


class Oldest(Strategy):
    """Continues the oldest trial that can be continued with every third one, so that each file that is gone counts."""

    fidelities = ("epochs",)

    def search(self, space, *, seed=0, objectives="maximize"):
        return OldestSearch(space, seed=seed, objectives=objectives)


class OldestSearch(Search):
    def __init__(self, space, **settings):
        super().__init__(space, **settings)
        self._open = {}

    @property
    def continuable(self):
        return self._open.keys()

    def forget_checkpoint(self, number):
        del self._open[number]

    def _propose(self, number):
        if number % 3 == 2 and self._open:
            parent = self._open[min(self._open)]
            return Proposal(parent.architecture, Fidelity(epochs=parent.fidelity["epochs"] + 1), parent.number)
        return Proposal(self.space.sample(rng_for(self.seed, number)), Fidelity(epochs=1))

    def _on_ask(self, proposal):
        self._open.pop(proposal.parent, None)

    def _on_tell(self, trial):
        if trial.is_completed:
            self._open[trial.number] = trial


SEARCHES = {
    "asha": ASHA(max_fidelity=9),
    "hyperband": Hyperband(max_fidelity=9),
    "nsga2": NSGA2(population_size=8),
    "oldest": Oldest(),
    "median": MedianStop(ASHA(max_fidelity=9, reduction_factor=2), min_trials=2),
}


def train(architecture, context):
    """Train epoch by epoch from where the parent ended, and leave a checkpoint in two files.

    The metric depends on every number that was drawn since the first ancestor began.
    """
    state = {"epochs": 0, "sum": 0.0}
    if context.parent is not None and HAS_FILES:
        state = json.loads((context.parent_folder / "state.json").read_text())
        assert (context.parent_folder / "weights").stat().st_size == WEIGHTS, "half of a checkpoint"
    begun = state["epochs"]
    for epoch in range(begun, int(context.fidelity.get("epochs", 2))):
        time.sleep(0.001)
        state = {"epochs": epoch + 1, "sum": state["sum"] + architecture["quality"] + context.seed % 1000 / 1e4}
        context.report(state["sum"] / state["epochs"])
    if HAS_FILES:
        (context.folder / "weights").write_bytes(bytes(WEIGHTS))
        (context.folder / "state.json").write_text(json.dumps(state))
    with open(os.environ["TEST_MARK"], "a") as file:  # one line for each evaluation that came to its end
        file.write(f"{context.number}\n")
    return {"default": state["sum"] / state["epochs"], "cost": float(architecture["width"]), "begun": float(begun)}


def at_step(name, counts=Counter()):  # noqa: B006 - counts for as long as the process lives
    """Die here if this is where ``TEST_DIE`` says; ``any`` stands for all names."""
    wanted, _, count = os.environ.get("TEST_DIE", "").partition(":")
    if wanted in (name, "any"):
        counts[wanted] += 1
        if counts[wanted] == int(count):
            os.kill(os.getpid(), signal.SIGKILL)


def with_steps(store):
    """Let writing trials and removing files pass through `at_step`."""
    write, rmtree = store.write, shutil.rmtree

    def stepping_write(experiment_id, *, trials=(), intermediates=()):
        is_pruned = any(trial.state.value == "pruned" for trial in trials)
        at_step("before writing a pruned trial" if is_pruned else "before writing")
        write(experiment_id, trials=trials, intermediates=intermediates)
        at_step("after writing")

    def stepping_rmtree(path, **options):
        at_step("before removing")
        for half in sorted(Path(path).iterdir())[-1:]:
            half.unlink()
        at_step("halfway through removing")
        rmtree(path, **options)
        at_step("after removing")

    store.write, shutil.rmtree = stepping_write, stepping_rmtree


def main():
    store, action = open_store(sys.argv[1]), sys.argv[3]
    with_steps(store)
    if action == "resume":
        RetiariiExperiment.resume(sys.argv[4], storage=store)
        return
    name, platform = os.environ["TEST_SEARCH"], os.environ["TEST_PLATFORM"]
    config = RetiariiExeConfig(
        "local" if platform == "local" else "in_process",
        max_trial_number=int(os.environ["TEST_TRIALS"]),
        checkpoint_limit=os.environ["TEST_LIMIT"],
        constraints=[at_most(width_of, 8)],
        seed=3,
        progress=False,
        storage=store,
    )
    if platform == "local":
        config.trial_concurrency = 2
    if platform == "forking":
        config.executor = partial(ForkingExecutor, slots=2)
    if name == "nsga2":
        config.objectives = {"default": "maximize", "cost": "minimize"}
        config.constraints = [at_most(width_of, 8), at_most("cost", 7)]
    RetiariiExperiment(SPACE, train, strategy=SEARCHES[name]).run(config)


def width_of(architecture):
    return architecture["width"]


if __name__ == "__main__":
    main()
