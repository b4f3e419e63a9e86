"""Records of NDS, as queries return them: dicts with these keys."""

from __future__ import annotations

from typing import Any, TypedDict

MODEL_FAMILIES = ("nas_cell", "residual_bottleneck", "residual_basic", "vanilla")
PROPOSERS = ("nasnet", "darts", "enas", "pnas", "amoeba", "vanilla", "resnext-a", "resnext-b", "resnet", "resnet-b")
GENERATORS = ("random", "fix_w_d", "tune_lr_wd")
DATASETS = ("cifar10", "imagenet")

STATISTICS = (
    "final_train_acc",
    "final_train_loss",
    "final_test_acc",
    "best_train_acc",
    "best_train_loss",
    "best_test_acc",
    "parameters",
    "flops",
    "iter_time",
)
CURVES = ("train_loss", "train_acc", "test_acc")


class NdsTrialConfig(TypedDict):
    """What was trained, and how.

    Attributes:
        model_family: ``"nas_cell"``, ``"residual_bottleneck"``, ``"residual_basic"`` or ``"vanilla"``.
        model_spec: For ``"nas_cell"``, it has ``num_nodes_normal``, ``num_nodes_reduce``, ``depth``, ``width``, ``aux``
            and ``drop_prob``. For the others, it has ``ds`` (depths of the stages), ``ws`` (their widths) and ``ss``
            (their strides), for ``"residual_bottleneck"`` also ``bot_muls`` (ratios of the bottlenecks) and ``num_gs``
            (groups).
        cell_spec: Empty if the family is not ``"nas_cell"``. Otherwise ``<normal/reduce>_<i>_op_<x/y>`` is the operator
            of an input of node ``i``, such as `CONV_1X1`, and ``<normal/reduce>_<i>_input_<x/y>`` is where that input
            comes from, 0 to ``i + 1``: nodes 0 and 1 are the outputs of the previous two cells, node ``i`` counts as
            ``i + 2``. ``normal_concat`` and ``reduce_concat`` are the nodes whose outputs make the output of the cell.
        dataset: ``"cifar10"`` or ``"imagenet"``.
        generator: ``"random"`` (configurations at random, with fixed learning rate and weight decay), ``"fix_w_d"``
            (with fixed width and depth, too; only for ``"nas_cell"``), or ``"tune_lr_wd"`` (with random learning rate
            and weight decay).
        proposer: The paper whose distribution the configurations are drawn from: ``"nasnet"``, ``"darts"``, ``"enas"``,
            ``"pnas"``, ``"amoeba"``, ``"vanilla"``, ``"resnext-a"``, ``"resnext-b"``, ``"resnet"`` or ``"resnet-b"``
            (with bottlenecks).
        base_lr: The initial learning rate.
        weight_decay: The factor of the L2 penalty on weights.
        num_epochs: The epochs of the training, in which the learning rate falls to 0 along a cosine.
    """

    model_family: str
    model_spec: dict[str, Any]
    cell_spec: dict[str, Any]
    dataset: str
    generator: str
    proposer: str
    base_lr: float
    weight_decay: float
    num_epochs: int


class NdsIntermediateStats(TypedDict):
    """Results after one epoch of a trial, which is the dict that has the list of these.

    Attributes:
        current_epoch: The epochs so far, from 1.
        train_loss: The cross entropy on the training data; None if it is not a number.
        train_acc: The accuracy on the training data, 0 to 100.
        test_acc: The accuracy on the test data, 0 to 100.
    """

    current_epoch: int
    train_loss: float | None
    train_acc: float
    test_acc: float


class _NdsStatistics(TypedDict):
    config: NdsTrialConfig
    seed: int | None
    final_train_acc: float
    final_train_loss: float | None
    final_test_acc: float
    best_train_acc: float
    best_train_loss: float | None
    best_test_acc: float
    parameters: float
    flops: float
    iter_time: float


class NdsTrialStats(_NdsStatistics, total=False):
    """One training and its results, or the means over the trainings of one configuration.

    Attributes:
        config: What was trained, and how.
        seed: The random seed of the training; None for means.
        final_train_acc: The final accuracy on the training data, 0 to 100.
        final_train_loss: The final cross entropy on the training data; None if it is not a number.
        final_test_acc: The final accuracy on the test data, 0 to 100. There is no separate validation.
        best_train_acc: The best accuracy on the training data of all epochs, 0 to 100.
        best_train_loss: The lowest cross entropy on the training data of all epochs; None if none is a number.
        best_test_acc: The best accuracy on the test data of all epochs, 0 to 100.
        parameters: The trainable parameters, in millions.
        flops: Multiply-adds of one image, in millions.
        iter_time: The time of one iteration (one batch), in seconds.
        intermediates: The results after each epoch, if they were asked for.
    """

    intermediates: list[NdsIntermediateStats]
