"""Experiments as a search leaves them, written into a store in milliseconds."""

import math
import random
import time

from retiarii.space import Categorical, SearchSpace
from retiarii.storage import ExperimentRecord, ExperimentState, Store
from retiarii.trial import Direction, Failure, FailureKind, Objective, Objectives, Trial, TrialState

SPACE = SearchSpace(
    [
        Categorical("stem/kernel", values=(3, 5, 7), declared_at="Net.stem"),
        Categorical("cell/op", values=("conv3x3", "conv5x5", "max_pool", "skip"), declared_at="Net.cell"),
        Categorical("width", values=(8, 16, 32, 64), declared_at="Net.width"),
        Categorical("depth", values=(1, 2, 3), declared_at="Net.depth"),
    ]
)
ACCURACY_AND_SIZE = Objectives((Objective("default", Direction.MAXIMIZE), Objective("num_params", Direction.MINIMIZE)))
FAILURES = (
    Failure(FailureKind.RAISED, "ValueError: bad width", "Traceback (most recent call last):\nValueError: bad width"),
    Failure(FailureKind.OUT_OF_MEMORY, "out of memory: 2.1 GB of 2 GB"),
)


def write_experiment(
    store: Store,
    experiment_id: str = "aa11",
    *,
    num_trials: int = 40,
    state: ExperimentState = ExperimentState.DONE,
    space: SearchSpace = SPACE,
    seed: int = 0,
    **fields: object,
) -> ExperimentRecord:
    """Write an experiment with two objectives whose trials completed, failed, were pruned, and, if it runs, run.

    Args:
        store: The store to write into.
        experiment_id: The id of the experiment.
        num_trials: The number of trials: of every ten about one failed and one was pruned.
        state: The state of the experiment; the last two trials of a running one still run.
        space: The search space.
        seed: Decides architectures and metrics.
        **fields: Other fields of the record.
    """
    values = {"name": f"search {experiment_id}", "strategy": "Random()", "seed": seed, **fields}
    began = time.time() - 10.0 * num_trials
    record = ExperimentRecord(
        experiment_id, state=state, objectives=ACCURACY_AND_SIZE, space=space.to_json(), created=began, **values
    )
    store.create_experiment(record)
    store.write(experiment_id, trials=written_trials(num_trials, space=space, seed=seed, began=began, state=state))
    return record


def written_trials(num_trials, *, space=SPACE, seed=0, began=0.0, state=ExperimentState.DONE):
    """Return the trials that `write_experiment` writes."""
    rng = random.Random(seed)
    num_running = min(2, num_trials) if state is ExperimentState.RUNNING else 0
    trials = []
    for number, architecture in enumerate(space.sample(rng) for _ in range(num_trials)):
        trial = Trial(number, architecture, started=began + 10 * number, device="cpu")
        if number < num_trials - num_running:
            trial = _ended(trial, rng, began)
        trials.append(trial)
    return trials


def _ended(trial, rng, began):
    number = trial.number
    top = 0.6 + 0.2 * rng.random() + 0.15 * (1 - math.exp(-number / 20))
    curve = [top * (1 - math.exp(-(epoch + 1) / 2)) for epoch in range(5)]
    size = float(rng.randrange(1_000, 90_000))
    ended = trial.evolve(finish_order=number, ended=began + 10 * number + 8 * (0.5 + rng.random()), output="epoch 1\n")
    match number % 10:
        case 3:
            return ended.evolve(state=TrialState.FAILED, failure=FAILURES[number // 10 % 2])
        case 7:
            short = tuple({"default": value} for value in curve[:2])
            return ended.evolve(
                state=TrialState.PRUNED, metrics=short[-1], intermediates=short, reason="below the median at step 1"
            )
        case _:
            return ended.evolve(
                state=TrialState.COMPLETED,
                metrics={"default": curve[-1], "num_params": size},
                intermediates=tuple({"default": value} for value in curve),
            )
