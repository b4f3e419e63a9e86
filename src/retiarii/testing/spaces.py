"""A zoo of search spaces: one of each kind that a strategy has to cope with.

`SPACES` has them all by name. Each function makes a new one; all are small enough for tests, and `darts` and
`nas_bench_201` have the size of the spaces that they are named after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from retiarii.space import Architecture, Categorical, Choice, Condition, Float, Integer, SearchSpace, Subset, Test

DARTS_OPERATIONS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
NAS_BENCH_201_OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def flat() -> SearchSpace:
    """Return a space of independent choices with values of every plain type; 360 architectures."""
    return SearchSpace(
        [
            Categorical("op", ("conv3x3", "conv5x5", "skip")),
            Categorical("width", (16, 32, 64, 128, 256)),
            Categorical("flag", (True, 1, 1.0)),
            Categorical("kernel", ((1, 3), (3, 1), (3, 3), None)),
            Categorical("bias", (False, True)),
        ]
    )


def tiny() -> SearchSpace:
    """Return a space of 6 architectures, fewer than strategies usually have."""
    return SearchSpace([Categorical("op", ("conv", "pool", "skip")), Categorical("bias", (False, True))])


def single_point() -> SearchSpace:
    """Return the space of one architecture."""
    return SearchSpace([Categorical("op", ("conv",)), Integer("width", 8, 8)])


def nested() -> SearchSpace:
    """Return a space with choices inside candidates, two levels deep, one shared by two branches; 23 architectures."""
    return SearchSpace(
        [
            Categorical("block", ("conv", "attention", "skip")),
            Categorical("kernel", (3, 5, 7), condition=_when("block", "conv")),
            Categorical("heads", (2, 4), condition=_when("block", "attention")),
            Categorical("dilation", (1, 2), condition=_when("kernel", 3, 5)),
            Categorical("act", ("relu", "gelu", "silu"), condition=_when("block", "conv", "attention")),
            Categorical("bias", (False, True), condition=_when("block", "skip")),
        ]
    )


def constrained() -> SearchSpace:
    """Return a space in which a constraint leaves 53 of 125 architectures."""
    return SearchSpace([Integer(label, 1, 5) for label in "abc"], constraints=[_is_light])


def narrow() -> SearchSpace:
    """Return a space in which a constraint leaves 15 of 512 architectures, each with one or two neighbours."""
    return SearchSpace([Categorical(label, tuple(range(8))) for label in "abc"], constraints=[_is_nearly_diagonal])


def subset() -> SearchSpace:
    """Return a space with a choice of several candidates, one of which activates another choice; 21 architectures."""
    return SearchSpace(
        [
            Subset("inputs", ("stem", "cell1", "cell2", "cell3"), min_chosen=1, max_chosen=3),
            Categorical("stem_op", ("conv", "pool"), condition=_when("inputs", "stem")),
            Integer("unused", 0, 0),
        ]
    )


def mixed_numeric() -> SearchSpace:
    """Return a space of numeric choices of all kinds, some continuous, one conditional; it has no finite size."""
    return SearchSpace(
        [
            Integer("width", 8, 64, step=8),
            Integer("depth", 1, 100, log=True),
            Float("dropout", 0.0, 0.5),
            Categorical("optimizer", ("sgd", "adam")),
            Float("momentum", 0.5, 0.99, condition=_when("optimizer", "sgd")),
            Float("lr", 1e-5, 1e-1, log=True),
        ]
    )


def prior() -> SearchSpace:
    """Return a space whose priors make most of its 27 architectures rare, and some impossible to draw."""
    return SearchSpace([Categorical(label, ("a", "b", "c"), prior=(0.999, 0.001, 0.0)) for label in "xyz"])


def darts() -> SearchSpace:
    """Return a space of the size of DARTS: two cells of four nodes, width and depth; 34 choices, unconditional.

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", ICLR 2019, arXiv:1806.09055, section 2.1, with each
        node's two inputs and operations as choices, which may coincide.
    """
    choices: list[Choice] = [Categorical("width", (16, 24, 36)), Categorical("depth", (8, 14, 20))]
    for cell in ("normal", "reduce"):
        for node in range(2, 6):
            for edge in range(2):
                choices.append(Categorical(f"{cell}/op_{node}_{edge}", DARTS_OPERATIONS))
                choices.append(Categorical(f"{cell}/input_{node}_{edge}", tuple(range(node))))
    return SearchSpace(choices)


def nas_bench_201() -> SearchSpace:
    """Return the 15,625 cells of NAS-Bench-201: one of five operations on each of six edges.

    Reference:
        Dong and Yang, "NAS-Bench-201", ICLR 2020, arXiv:2001.00326, figure 1.
    """
    return SearchSpace([Categorical(edge, NAS_BENCH_201_OPERATIONS) for edge in NAS_BENCH_201_EDGES])


NAS_BENCH_201_EDGES = ("0>1", "0>2", "1>2", "0>3", "1>3", "2>3")

SPACES: Mapping[str, Callable[[], SearchSpace]] = MappingProxyType(
    {
        make.__name__: make
        for make in (
            flat,
            tiny,
            single_point,
            nested,
            constrained,
            narrow,
            subset,
            mixed_numeric,
            prior,
            darts,
            nas_bench_201,
        )
    }
)
"""All spaces of the zoo, by name."""


def _when(label: str, *values: object) -> Condition:
    return frozenset({frozenset({Test(label, frozenset(values))})})


def _is_light(architecture: Architecture) -> bool:
    return sum(architecture.values()) <= 8


def _is_nearly_diagonal(architecture: Architecture) -> bool:
    a, b, c = architecture.values()
    return bool(a == b and c - a in (0, 1))
