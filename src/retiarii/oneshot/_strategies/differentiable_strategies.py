"""The strategies that learn by gradients: `DARTS`, `GumbelDARTS`, `Proxyless`, `DrNAS` and `PCDARTS`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from torch import nn, optim

from retiarii.errors import ConfigError
from retiarii.nn.pytorch import LayerChoice
from retiarii.oneshot._decisions.relaxations import BinaryGates, DirichletSample, GumbelSoftmax, Relaxation, Softmax
from retiarii.oneshot._operators.partial_channels import PartialChannels
from retiarii.oneshot._searches.differentiable_search import ArchitectureLearning, DifferentiableSearch
from retiarii.oneshot._searches.expected_cost import ExpectedCost
from retiarii.oneshot._searches.one_shot_search import DriverHints, OneShotSearch
from retiarii.oneshot._strategies.one_shot_strategy import OneShotStrategy, check_at_least
from retiarii.oneshot._supernets.rules import DEFAULT_RULES, Rule, choice_rule
from retiarii.oneshot._supernets.supernet import Supernet

MakeOptimizer: TypeAlias = Callable[[Sequence[nn.Parameter]], optim.Optimizer]


@dataclass(frozen=True)
class DifferentiableStrategy(OneShotStrategy):
    """Learns ``alpha``, one vector per label, by gradients from validation batches.

    Args:
        arc_learning_rate: The learning rate of ``alpha``.
        gradient_clip_val: The largest norm of the gradient of the weights; 0 does not clip, None uses the trainer's.
        warmup_epochs: The number of epochs at the beginning in which only weights learn.
        arc_gradient_clip_val: The largest norm of the gradient of ``alpha``; None or 0 does not clip.
        arc_optimizer: Makes another optimizer of ``alpha`` from the parameters; ``arc_learning_rate`` is then not used.
        penalty: An expected cost in the loss of ``alpha``.
        rules: Rules for your own modules, by class, in addition to `DEFAULT_RULES`.

    Raises:
        ConfigError: A number is impossible.
    """

    arc_learning_rate: float = 3e-4
    gradient_clip_val: float | None = None
    warmup_epochs: int = 0
    arc_gradient_clip_val: float | None = None
    arc_optimizer: MakeOptimizer | None = None
    penalty: ExpectedCost | None = None
    rules: Mapping[type[nn.Module], Rule] | None = field(default=None, kw_only=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_at_least(self, arc_learning_rate=0, gradient_clip_val=0, warmup_epochs=0, arc_gradient_clip_val=0)

    @abstractmethod
    def relaxation(self) -> Relaxation:
        """Return how ``alpha`` sets the supernet, with the state of one search."""

    def make_optimizer(self, parameters: Sequence[nn.Parameter]) -> optim.Optimizer:
        """Return the optimizer of ``alpha``: as in the code that DARTS was published with."""
        return optim.Adam(parameters, lr=self.arc_learning_rate, betas=(0.5, 0.999), weight_decay=1e-3)

    @property
    def looks_ahead(self) -> bool:
        """Whether gradients are of second order."""
        return False

    def start(self, supernet: Supernet, *, seed: int) -> OneShotSearch:
        """Start a search on a supernet."""
        learning = ArchitectureLearning(
            optimizer=self.arc_optimizer or self.make_optimizer,
            warmup_epochs=self.warmup_epochs,
            gradient_clip_val=self.arc_gradient_clip_val,
            unrolled=self.looks_ahead,
            penalty=self.penalty,
            hints=DriverHints(gradient_clip_val=self.gradient_clip_val),
        )
        return DifferentiableSearch(supernet, self.relaxation(), learning, seed=seed)


@dataclass(frozen=True)
class DARTS(DifferentiableStrategy):
    """Weighs all candidates by the softmax of ``alpha``. Further options: `DifferentiableStrategy`.

    Args:
        unrolled: Whether the gradient of ``alpha`` looks one step of the weights ahead (second order).

    Reference:
        DARTS (Liu et al., 2019), arXiv:1806.09055, algorithm 1, eq. 2, 7 and 8. Deviation: choices between inputs have
        an ``alpha`` of their own, where DARTS ranks inputs by their operations.
    """

    unrolled: bool = False

    @property
    def looks_ahead(self) -> bool:
        """Whether gradients are of second order."""
        return self.unrolled

    def relaxation(self) -> Relaxation:
        """Return the softmax."""
        return Softmax()


@dataclass(frozen=True)
class GumbelDARTS(DifferentiableStrategy):
    """Weighs all candidates by samples of a Gumbel-softmax. Further options: `DifferentiableStrategy`.

    Args:
        gumbel_temperature: The temperature of the first epoch.
        use_temp_anneal: Whether the temperature falls, linearly over the epochs.
        min_temp: The temperature of the last epoch, if it falls.
        schedule: Computes the temperature from the epoch and the number of epochs; the other options are then not used.

    Reference:
        SNAS (Xie et al., 2019), arXiv:1812.09926, eq. 4, and the bilevel training of DARTS.
    """

    gumbel_temperature: float = 1.0
    use_temp_anneal: bool = False
    min_temp: float = 0.33
    schedule: Callable[[int, int], float] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.gumbel_temperature > 0 or not 0 < self.min_temp:
            raise ConfigError(
                f"GumbelDARTS has gumbel_temperature={self.gumbel_temperature!r} and min_temp={self.min_temp!r}, "
                "expected numbers above 0."
            )
        if self.use_temp_anneal and self.min_temp > self.gumbel_temperature:
            raise ConfigError(
                f"GumbelDARTS has min_temp={self.min_temp!r} above gumbel_temperature={self.gumbel_temperature!r}, so "
                "that the temperature would rise. Use a smaller min_temp."
            )

    def relaxation(self) -> Relaxation:
        """Return the Gumbel-softmax at its first temperature."""
        final = self.min_temp if self.use_temp_anneal else self.gumbel_temperature
        return GumbelSoftmax(self.gumbel_temperature, final, self.schedule)


@dataclass(frozen=True)
class Proxyless(DifferentiableStrategy):
    """Trains weights on one sampled path, and ``alpha`` on two, so that memory is that of one or two networks.

    Options: `DifferentiableStrategy`.

    Reference:
        ProxylessNAS (Cai et al., 2019), arXiv:1812.00332, eq. 3 and 4; see `BinaryGates`.
    """

    def make_optimizer(self, parameters: Sequence[nn.Parameter]) -> optim.Optimizer:
        """Return an Adam without momentum, so that only sampled paths change."""
        return optim.Adam(parameters, lr=self.arc_learning_rate, betas=(0.0, 0.999), weight_decay=0.0)

    def relaxation(self) -> Relaxation:
        """Return the binary gates."""
        return BinaryGates()


@dataclass(frozen=True)
class DrNAS(DifferentiableStrategy):
    """Weighs all candidates by samples of a Dirichlet distribution. Further options: `DifferentiableStrategy`.

    Args:
        kl_weight: The factor of the divergence from the uniform distribution, in the loss of ``alpha``. The weight
            decay of its optimizer pulls to the same point.

    Reference:
        DrNAS (Chen et al., 2021), arXiv:2006.10355, eq. 3 and 4; without the progressive growing of section 4.
    """

    arc_learning_rate: float = 6e-4
    kl_weight: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self, kl_weight=0)

    def relaxation(self) -> Relaxation:
        """Return the Dirichlet samples."""
        return DirichletSample(self.kl_weight)


@dataclass(frozen=True)
class PCDARTS(DifferentiableStrategy):
    """DARTS with ``1 / channel_share`` of the channels in the candidates. More options: `DifferentiableStrategy`.

    The paper's edge normalisation is what choices between inputs have in all of these strategies: an ``alpha`` of their
    own, shared by the steps. Weights of a subnet are only as good as the part of the channels that was trained.

    Args:
        channel_share: ``K`` of the paper; 1 is DARTS.
        warmup_epochs: 15 of 50 epochs in the paper.

    Reference:
        PC-DARTS (Xu et al., 2020), arXiv:1907.05737, eq. 1 and 2; see `PartialChannels`.
    """

    arc_learning_rate: float = 6e-4
    channel_share: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self, channel_share=1)

    def supernet_rules(self) -> dict[type[nn.Module], Rule]:
        """Return rules by which layer choices pass a part of the channels."""
        if self.channel_share == 1:
            return super().supernet_rules()
        rule = choice_rule(partial(PartialChannels, share=self.channel_share))
        return {**DEFAULT_RULES, LayerChoice: rule, **(self.rules or {})}

    def relaxation(self) -> Relaxation:
        """Return the softmax."""
        return Softmax()
