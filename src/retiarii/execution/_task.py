"""`NasTask`: what a trial of an architecture search does."""

from __future__ import annotations

import random

import numpy as np
import torch

from retiarii.errors import FreezeError
from retiarii.evaluator import Evaluator, run_evaluation
from retiarii.execution._interface import Report, TrialJob
from retiarii.nn.pytorch import extract_space, freeze
from retiarii.trial import Metrics


class NasTask:
    """Fixes a model to the architecture of a job, and evaluates it.

    Everything that draws from the generators of `random`, NumPy or torch, the initial weights included, follows from
    the job's seed.

    Attributes:
        model: The model with choices in it; it is not changed.
        evaluator: What measures the model; its arguments may have choices, too.
    """

    def __init__(self, model: torch.nn.Module, evaluator: Evaluator) -> None:
        self.model = model
        self._model_labels = {choice.label for choice in extract_space(model)}
        self.evaluator = evaluator

    def __call__(self, job: TrialJob, report: Report) -> Metrics:
        """Run one trial.

        Raises:
            FreezeError: The architecture does not build; raised from what the model's code raised.
            MetricError: The evaluator reported no usable metric.
        """
        _seed_everything(job.seed)
        try:
            model = freeze(self.model, job.architecture.restricted(self._model_labels))
        except Exception as error:  # the user's constructors may raise anything
            raise FreezeError(f"The architecture does not build: {type(error).__name__}: {error}") from error
        return run_evaluation(self.evaluator.fix(job.architecture), model, report)


def _seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if torch.accelerator.current_accelerator() is None:
        # What torch.manual_seed() does here, less the calls that it queues for every back end that this build lacks:
        # they take half a millisecond, and the queues grow without end.
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
