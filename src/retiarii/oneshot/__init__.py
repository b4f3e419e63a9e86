"""One-shot search: supernets, weight sharing, and seven strategies.

`build_supernet` turns a model with choices into a `Supernet`: every choice becomes an operator, looked up in a table of
rules by type. Operators of one label share one decision, which is either a value (a path) or weights over all values (a
mixture). A `OneShotStrategy` (`RandomOneShot`, `ENAS`, `DARTS`, `GumbelDARTS`, `Proxyless`, `DrNAS`, `PCDARTS`) holds
the options; its `search` starts a `OneShotSearch`, which sets the decisions at every step and learns from validation
batches. A driver trains the weights: `SearchLoop` is a plain loop, and `fit_supernet` uses Lightning.
`OneShotSearch.export` returns the best architecture, `subnet` its network with the weights of the supernet, and
`search_subnets` lets a multi-trial strategy search the subnets.

The floors, from the lowest: `_decisions`, `_operators`, `_supernets`, `_searches`, `_strategies` beside `_drivers`.
Evaluators and the store are not used here: modules, loaders and trainers come as arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retiarii._lazy import lazy_attributes
from retiarii.errors import SupernetError
from retiarii.oneshot._decisions.configurations import Configurations
from retiarii.oneshot._decisions.decision import Decision
from retiarii.oneshot._decisions.label_lookup import Lookup, joint_values
from retiarii.oneshot._decisions.relaxations import Relaxation
from retiarii.oneshot._drivers.loaders import split_loader
from retiarii.oneshot._drivers.search_loop import SearchLoop
from retiarii.oneshot._drivers.subnets import SubnetEvaluator, recalibrate_batch_norm, search_subnets, subnet
from retiarii.oneshot._operators.choice_operator import ChoiceOperator
from retiarii.oneshot._operators.operator import Operator, active_tensor, weighted_sum
from retiarii.oneshot._operators.slice_rule import SliceRule
from retiarii.oneshot._searches.expected_cost import CostLimit, ExpectedCost
from retiarii.oneshot._searches.one_shot_search import OneShotSearch
from retiarii.oneshot._searches.search_record import SearchRecord
from retiarii.oneshot._strategies.differentiable_strategies import (
    DARTS,
    PCDARTS,
    DifferentiableStrategy,
    DrNAS,
    GumbelDARTS,
    Proxyless,
)
from retiarii.oneshot._strategies.one_shot_strategy import OneShotStrategy
from retiarii.oneshot._strategies.sampling_strategies import ENAS, RandomOneShot
from retiarii.oneshot._supernets.builder import build_supernet
from retiarii.oneshot._supernets.compile_candidates import compile_candidates
from retiarii.oneshot._supernets.rules import (
    DEFAULT_RULES,
    Rule,
    Site,
    choice_rule,
    separate_rule,
    slice_rule,
)
from retiarii.oneshot._supernets.supernet import Supernet

if TYPE_CHECKING:
    from retiarii.oneshot._drivers.lightning_callback import SearchCallback, fit_supernet

__all__ = [
    "DARTS",
    "DEFAULT_RULES",
    "ENAS",
    "PCDARTS",
    "ChoiceOperator",
    "Configurations",
    "CostLimit",
    "Decision",
    "DifferentiableStrategy",
    "DrNAS",
    "ExpectedCost",
    "GumbelDARTS",
    "Lookup",
    "OneShotSearch",
    "OneShotStrategy",
    "Operator",
    "Proxyless",
    "RandomOneShot",
    "Relaxation",
    "Rule",
    "SearchCallback",
    "SearchLoop",
    "SearchRecord",
    "Site",
    "SliceRule",
    "SubnetEvaluator",
    "Supernet",
    "SupernetError",
    "active_tensor",
    "build_supernet",
    "choice_rule",
    "compile_candidates",
    "fit_supernet",
    "joint_values",
    "recalibrate_batch_norm",
    "search_subnets",
    "separate_rule",
    "slice_rule",
    "split_loader",
    "subnet",
    "weighted_sum",
]

_LIGHTNING = "retiarii.oneshot._drivers.lightning_callback"  # optional
__getattr__, __dir__ = lazy_attributes(__name__, {"SearchCallback": _LIGHTNING, "fit_supernet": _LIGHTNING})
