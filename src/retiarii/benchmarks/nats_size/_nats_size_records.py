"""Records of NATS-Bench's size space, as queries return them: dicts with these keys."""

from __future__ import annotations

from typing import TypedDict

from retiarii.benchmarks._tables._nats.nats_statistics import NatsIntermediateStats, NatsStatistics

EPOCHS = (1, 12, 90)


class NatsSizeTrialConfig(TypedDict):
    """What was trained, and how.

    The network has five layers in a row: a convolution, a cell, a cell that halves the resolution, a cell, and another
    one that halves it. Each cell is the same, the best one of the topology space on CIFAR-100.

    Attributes:
        arch: The channels of each layer ``layer1`` to ``layer5``: 8, 16, ..., 64.
        num_epochs: The epochs of the training, whose learning rate falls to zero in them: 1, 12 or 90.
        dataset: ``"cifar10-valid"`` (trained on one half of CIFAR-10's training images, validated on the other),
            ``"cifar10"`` (trained on all of them), ``"cifar100"`` or ``"imagenet16-120"``.
    """

    arch: dict[str, int]
    num_epochs: int
    dataset: str


class NatsSizeIntermediateStats(NatsIntermediateStats):
    """Results after one epoch of a trial, which is the dict that has the list of these.

    The keys are those of `retiarii.benchmarks.nasbench201.Nb201IntermediateStats`.
    """


class _NatsSizeStatistics(NatsStatistics):
    config: NatsSizeTrialConfig


class NatsSizeTrialStats(_NatsSizeStatistics, total=False):
    """One training and its results, or the means over the seeds of one configuration.

    The other keys, with their units, are those of `retiarii.benchmarks.nasbench201.Nb201TrialStats`. The trainings of
    12 epochs have three seeds, those of 1 and 90 epochs have one.

    Attributes:
        config: What was trained, and how.
        intermediates: The results after each epoch, if they were asked for.
    """

    intermediates: list[NatsSizeIntermediateStats]
