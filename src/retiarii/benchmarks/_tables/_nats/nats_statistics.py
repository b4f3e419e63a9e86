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
    """Results after one epoch of a trial, which is the dict that has the list of these.

    Attributes:
        current_epoch: The epochs so far, from 1.
        train_acc: The accuracy on the training data, 0 to 100.
        valid_acc: The accuracy on the validation data, 0 to 100; None if there was no evaluation.
        test_acc: The accuracy on the test data, likewise.
        ori_test_acc: The accuracy on the original test data (validation and test data together), likewise.
        train_loss: The cross entropy on the training data; None if it is not a number.
        valid_loss: The cross entropy on the validation data, likewise.
        test_loss: The cross entropy on the test data, likewise.
        ori_test_loss: The cross entropy on the original test data, likewise.
    """

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
    """One training and its results, or the means over the seeds of one configuration, without the configuration.

    On ``"cifar10"`` there is one evaluation, on the 10,000 test images: ``valid_*``, ``test_*`` and ``ori_test_*`` are
    the same. On ``"cifar10-valid"`` the ``test_*`` are those of the original test data, too.

    Attributes:
        seed: The random seed of the training; None for means.
        train_acc: The final accuracy on the training data, 0 to 100.
        valid_acc: The final accuracy on the validation data, 0 to 100.
        test_acc: The final accuracy on the test data, 0 to 100.
        ori_test_acc: The accuracy on the original test data (10,000 images for CIFAR, 6,000 for
            ImageNet16-120).
        train_loss: The final cross entropy on the training data; None if it is not a number.
        valid_loss: The final cross entropy on the validation data, likewise.
        test_loss: The final cross entropy on the test data, likewise.
        ori_test_loss: The final cross entropy on the original test data, likewise.
        parameters: The trainable parameters, in millions.
        latency: The time of one batch in seconds; None where it was not measured.
        flops: Multiply-adds of one image, in millions.
        training_time: The time of the training, in seconds; None where it was not measured.
        valid_evaluation_time: The time of the evaluation on the validation data, in seconds.
        test_evaluation_time: The time of the evaluation on the test data, in seconds.
        ori_test_evaluation_time: The time of the evaluation on the original test data, in seconds.
    """

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
