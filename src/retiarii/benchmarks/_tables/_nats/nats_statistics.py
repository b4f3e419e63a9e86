"""Results of one training in NATS-Bench: their names, and the records that both spaces have."""

from __future__ import annotations

from typing import TypedDict

DATASETS = ("cifar10-valid", "cifar10", "cifar100", "imagenet16-120")

ACCURACIES = ("train_acc", "valid_acc", "test_acc", "ori_test_acc")
LOSSES = ("train_loss", "valid_loss", "test_loss", "ori_test_loss")
COSTS = ("parameters", "latency", "flops", "training_time")
EVALUATION_TIMES = ("valid_evaluation_time", "test_evaluation_time", "ori_test_evaluation_time")
STATISTICS = (*ACCURACIES, *LOSSES, *COSTS, *EVALUATION_TIMES)
CURVES = (*ACCURACIES, *LOSSES)


class NatsIntermediateStats(TypedDict):
    """Results after one epoch of a trial; the keys are documented at `Nb201IntermediateStats`."""

    current_epoch: int
    train_acc: float | None
    valid_acc: float | None
    test_acc: float | None
    ori_test_acc: float | None
    train_loss: float | None
    valid_loss: float | None
    test_loss: float | None
    ori_test_loss: float | None


class NatsStatistics(TypedDict):
    """One training and its results, without its configuration; the keys are documented at `Nb201TrialStats`."""

    seed: int | None
    train_acc: float
    valid_acc: float
    test_acc: float
    ori_test_acc: float
    train_loss: float | None
    valid_loss: float | None
    test_loss: float | None
    ori_test_loss: float | None
    parameters: float
    latency: float | None
    flops: float
    training_time: float | None
    valid_evaluation_time: float | None
    test_evaluation_time: float | None
    ori_test_evaluation_time: float | None
