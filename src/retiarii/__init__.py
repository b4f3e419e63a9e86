"""retiarii: neural architecture search for PyTorch.

Write the choices into the model's own code (`retiarii.nn.pytorch`), pick a strategy (`retiarii.strategy`) and an
evaluator (`retiarii.evaluator`), and run an experiment (`retiarii.experiment.pytorch`). Importing this package
imports neither torch nor Lightning: every name below, and every subpackage (``retiarii.strategy``), is loaded when it
is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retiarii._lazy import lazy_attributes
from retiarii._version import __version__

if TYPE_CHECKING:
    from retiarii import benchmarks as benchmarks
    from retiarii import classic as classic
    from retiarii import cli as cli
    from retiarii import compat as compat
    from retiarii import errors as errors
    from retiarii import evaluator as evaluator
    from retiarii import execution as execution
    from retiarii import experiment as experiment
    from retiarii import graph as graph
    from retiarii import nn as nn
    from retiarii import oneshot as oneshot
    from retiarii import space as space
    from retiarii import storage as storage
    from retiarii import strategy as strategy
    from retiarii import testing as testing
    from retiarii import trial as trial
    from retiarii import utils as utils
    from retiarii.errors import TrialPruned
    from retiarii.evaluator import (
        CommandEvaluator,
        Evaluator,
        FunctionalEvaluator,
        TrialContext,
        get_next_parameter,
        output_dir,
        report_final_result,
        report_intermediate_result,
        save_checkpoint,
        serialize,
        trace,
    )
    from retiarii.experiment.pytorch import RetiariiExeConfig, RetiariiExperiment, debug_mutated_model
    from retiarii.graph import Mutator
    from retiarii.nn.pytorch import basic_unit, extract_space, fixed_arch, freeze, model_wrapper
    from retiarii.space import Architecture, SearchSpace
    from retiarii.trial import at_least, at_most

_EXPORTS = {
    "Architecture": "retiarii.space",
    "CommandEvaluator": "retiarii.evaluator",
    "Evaluator": "retiarii.evaluator",
    "FunctionalEvaluator": "retiarii.evaluator",
    "Mutator": "retiarii.graph",
    "RetiariiExeConfig": "retiarii.experiment.pytorch",
    "RetiariiExperiment": "retiarii.experiment.pytorch",
    "SearchSpace": "retiarii.space",
    "TrialContext": "retiarii.evaluator",
    "TrialPruned": "retiarii.errors",
    "at_least": "retiarii.trial",
    "at_most": "retiarii.trial",
    "basic_unit": "retiarii.nn.pytorch",
    "debug_mutated_model": "retiarii.experiment.pytorch",
    "extract_space": "retiarii.nn.pytorch",
    "fixed_arch": "retiarii.nn.pytorch",
    "freeze": "retiarii.nn.pytorch",
    "get_next_parameter": "retiarii.evaluator",
    "model_wrapper": "retiarii.nn.pytorch",
    "output_dir": "retiarii.evaluator",
    "report_final_result": "retiarii.evaluator",
    "report_intermediate_result": "retiarii.evaluator",
    "save_checkpoint": "retiarii.evaluator",
    "serialize": "retiarii.evaluator",
    "trace": "retiarii.evaluator",
}

_MODULES = (
    "benchmarks",
    "classic",
    "cli",
    "compat",
    "errors",
    "evaluator",
    "execution",
    "experiment",
    "graph",
    "nn",
    "oneshot",
    "space",
    "storage",
    "strategy",
    "testing",
    "trial",
    "utils",
)

__all__ = [
    "Architecture",
    "CommandEvaluator",
    "Evaluator",
    "FunctionalEvaluator",
    "Mutator",
    "RetiariiExeConfig",
    "RetiariiExperiment",
    "SearchSpace",
    "TrialContext",
    "TrialPruned",
    "__version__",
    "at_least",
    "at_most",
    "basic_unit",
    "debug_mutated_model",
    "extract_space",
    "fixed_arch",
    "freeze",
    "get_next_parameter",
    "model_wrapper",
    "output_dir",
    "report_final_result",
    "report_intermediate_result",
    "save_checkpoint",
    "serialize",
    "trace",
]

__getattr__, __dir__ = lazy_attributes(__name__, _EXPORTS, modules=_MODULES)
