"""Sample experiments and trials for tests of stores and displays."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from retiarii.space import Architecture
from retiarii.storage import EpochRecord, ExperimentRecord, ExperimentState
from retiarii.trial import Failure, FailureKind, Fidelity, Objectives, Trial, TrialState

RECORD = ExperimentRecord(
    "e-1.2_3",
    name="Größe 🌍",
    state=ExperimentState.STOPPED,
    objectives=Objectives.of({"default": "minimize", "flops": "minimize"}),
    seed=2**64 - 1,
    strategy="RegularizedEvolution(population_size=100)",
    config={"trial_concurrency": 2, "budget": {"z": [1, 2.5, None, True], "a": "ü"}},
    space={"choices": [{"label": "op", "values": ["a", "b"]}]},
    created=1_700_000_000.25,
    updated=1_700_000_001.5,
    pid=2**22,
    host="host",
    version="0.0.1",
    message="stopped by Ctrl-C",
    stop_requested=True,
    tags=("baseline", "größer ✓"),
)
"""An experiment in which every field differs from its default."""

EPOCH = EpochRecord(
    3, {"probabilities": {"op": {'"conv"': 0.25, '"skip ü"': 0.75}}}, {"default": 0.5, "loss": 1e-300}, 1_700_000_002.5
)
"""Likewise an epoch."""

DRAWING: dict[str, Any] = {"nodes": [{"label": "op ✓", "x": 0.5}], "width": 1e300}
"""The content of a drawing."""


def running(number: int) -> Trial:
    """Return a trial that has started."""
    return Trial(number, Architecture({"op": "conv", "width": number}), started=float(number), device="cpu")


def completed(number: int, metric: float = 0.5) -> Trial:
    """Return a trial that has ended well."""
    return replace(
        running(number),
        state=TrialState.COMPLETED,
        metrics={"default": metric},
        finish_order=number,
        ended=number + 1.0,
    )


def failed(number: int, failure: Failure, output: str = "") -> Trial:
    """Return a trial that has failed."""
    return replace(running(number), state=TrialState.FAILED, failure=failure, finish_order=number, output=output)


def zoo() -> list[Trial]:
    """Return trials that together use every field of a trial."""
    values = {"a": None, "b": True, "c": 3, "d": 0.1, "e": "ü\0", "f": (1, ("x", 2.5)), "g": ()}
    return [
        Trial(0, Architecture({})),
        Trial(
            1,
            Architecture(values),
            TrialState.COMPLETED,
            {"default": 0.1 + 0.2, "flops": 1e300},
            ({"default": 1e-300}, {"default": 0.25, "loss": -0.0}),
            told_before=7,
            finish_order=3,
            started=1_700_000_000.123456,
            ended=1_700_000_001.654321,
            device="cuda:1",
            output="epoch 1\nepoch 2 ✓\n",
        ),
        failed(2, Failure(FailureKind.RAISED, "ValueError: größer", "Traceback ...\nValueError: größer"), "last words"),
        failed(3, Failure(FailureKind.VANISHED, "killed by SIGKILL")),
        Trial(4, Architecture({"op": "pruned"}), TrialState.PRUNED, finish_order=1),
        Trial(
            5,
            Architecture({"op": "promoted"}),
            TrialState.PRUNED,
            {"default": -math.inf},
            ({"default": 0.5}, {"default": -math.inf}),
            finish_order=4,
            fidelity=Fidelity({"epochs": 27, "größe": 0.1}),
            parent=1,
            violation=math.inf,
            reason="größer than the median\n",
        ),
        completed(6).evolve(fidelity=Fidelity(epochs=1.0), violation=0.1 + 0.2),
    ]
