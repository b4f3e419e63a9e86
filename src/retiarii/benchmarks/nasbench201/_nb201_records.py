"""Records of NAS-Bench-201, as queries return them: dicts with these keys."""

from __future__ import annotations

from typing import TypedDict

from retiarii.benchmarks._tables._nats.nats_statistics import NatsIntermediateStats, NatsStatistics

EPOCHS = (12, 200)


class Nb201TrialConfig(TypedDict):
    """What was trained, and how.

    Attributes:
        arch: The operator of each edge ``0_1``, ``0_2``, ``0_3``, ``1_2``, ``1_3``, ``2_3``: `NONE`, `SKIP_CONNECT`,
            `CONV_1X1`, `CONV_3X3` or `AVG_POOL_3X3`.
        num_epochs: The epochs of the training, whose learning rate falls to zero in them: 12 or 200.
        num_channels: The channels of the first convolution: 16.
        num_cells: The cells of each stage: 5.
        dataset: ``"cifar10-valid"`` (trained on one half of CIFAR-10's training images, validated on the other),
            ``"cifar10"`` (trained on all of them), ``"cifar100"`` or ``"imagenet16-120"``.
    """

    arch: dict[str, str]
    num_epochs: int
    num_channels: int
    num_cells: int
    dataset: str


class Nb201IntermediateStats(NatsIntermediateStats):
    """Results after one epoch of a trial, which is the dict that has the list of these.

    The published trainings of 200 epochs have one evaluation for each epoch, and all only for the last.

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


class _Nb201Statistics(NatsStatistics):
    config: Nb201TrialConfig


class Nb201TrialStats(_Nb201Statistics, total=False):
    """One training and its results, or the means over the seeds of one configuration.

    On ``"cifar10"`` there is one evaluation, on the 10,000 test images: ``valid_*``, ``test_*`` and ``ori_test_*`` are
    the same. On ``"cifar10-valid"`` the ``test_*`` are those of the original test data, too.

    Attributes:
        config: What was trained, and how.
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
        intermediates: The results after each epoch, if they were asked for.
    """

    intermediates: list[Nb201IntermediateStats]
