"""Records of NAS-Bench-101, as queries return them: dicts with these keys."""

from __future__ import annotations

from typing import Any, TypedDict

EPOCHS = (4, 12, 36, 108)
NUM_SEEDS = 3

ACCURACIES = ("train_acc", "valid_acc", "test_acc")
RESULTS = (*ACCURACIES, "training_time")
"""The results of each evaluation, in the order of the columns in the table."""


class Nb101TrialConfig(TypedDict):
    """What was trained, and how.

    Vertices are numbered from 0, the input; the last one is the output.

    Attributes:
        arch: The cell: ``op1``, ``op2``, ... are the operators of the vertices between input and output
            (`CONV3X3_BN_RELU`, `CONV1X1_BN_RELU` or `MAXPOOL3X3`), ``input1``, ``input2``, ... the lists of the earlier
            vertices that each vertex takes, the output included. ``input5`` may be ``[0, 1, 3]``.
        num_vertices: The vertices of the cell, 2 to 7.
        hash: The MD5 of the graph with its operators, as 32 hexadecimal digits; equal for every numbering of the
            vertices.
        num_epochs: The epochs of the training, whose learning rate falls to zero in them: 4, 12, 36 or 108.
    """

    arch: dict[str, Any]
    num_vertices: int
    hash: str
    num_epochs: int


class Nb101IntermediateStats(TypedDict):
    """Results halfway through a trial, or at its end. The trial is the dict that has the list of these.

    Attributes:
        current_epoch: The epochs so far: one half of the trial's epochs, or all.
        train_acc: The accuracy on 10,000 training images, 0 to 100.
        valid_acc: The accuracy on the validation data, 0 to 100.
        test_acc: The accuracy on the test data, 0 to 100.
        training_time: The time of the training so far, without evaluations, in seconds.
    """

    current_epoch: int
    train_acc: float
    valid_acc: float
    test_acc: float
    training_time: float


class _Nb101Statistics(TypedDict):
    config: Nb101TrialConfig
    train_acc: float
    valid_acc: float
    test_acc: float
    parameters: float
    training_time: float


class Nb101TrialStats(_Nb101Statistics, total=False):
    """One training on CIFAR-10 and its results, or the means over the three trainings of one configuration.

    Trained on 40,000 images of the training set, validated on the other 10,000, tested on the 10,000 test images. The
    three trainings of a configuration have different random seeds, which were not published.

    Attributes:
        config: What was trained, and how.
        train_acc: The final accuracy on 10,000 training images, 0 to 100.
        valid_acc: The final accuracy on the validation data, 0 to 100.
        test_acc: The final accuracy on the test data, 0 to 100.
        parameters: The trainable parameters, in millions.
        training_time: The time of the training, without evaluations, in seconds (on one TPU v2).
        intermediates: The results halfway and at the end, if they were asked for.
    """

    intermediates: list[Nb101IntermediateStats]
