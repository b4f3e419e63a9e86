"""Evaluators, which train and measure models.

`FunctionalEvaluator` calls a function of the user. The evaluators of `retiarii.evaluator.pytorch` train with PyTorch
Lightning, an optional dependency that is imported only with them. `CommandEvaluator` runs a program, in any language,
for architectures of a bare search space, and `search_space_of_command` asks a program for its space. Metrics are
returned, or reported with `report_intermediate_result` and `report_final_result`; a trial calls `run_evaluation`, which
returns the final metrics. `output_dir` is the folder of the running trial, and `save_checkpoint` saves the weights of
its network there.

`dumps` and `loads` send evaluators, data sets and models to other processes: objects made by `trace` or `serialize` as
their constructor and arguments, other objects by pickling. Choices in an evaluator's arguments form a search space
(`Evaluator.search_space`), and `Evaluator.fix` returns the evaluator for one architecture. `Evaluator.train_supernet`
and `Evaluator.evaluate_subnet` serve one-shot search. An evaluator that is `Simulated`, too, says how long its
evaluations take, for trials on a simulated clock. This room does not import strategies, execution or storage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retiarii._lazy import lazy_attributes
from retiarii.evaluator._evaluator import Evaluator, run_evaluation
from retiarii.evaluator._functional import FunctionalEvaluator
from retiarii.evaluator._output import OUTPUT_DIR_VARIABLE, load_checkpoint, output_dir, output_to, save_checkpoint
from retiarii.evaluator._reporting import (
    get_next_parameter,
    is_command_of_trial,
    report_final_result,
    report_intermediate_result,
    tell_failure,
    tell_search_space,
)
from retiarii.evaluator._seeding import load_generators, seed_everything
from retiarii.evaluator._simulated import Simulated, check_simulated
from retiarii.evaluator._supernet_training import SupernetListener, SupernetTraining
from retiarii.evaluator._trace import serialize, trace
from retiarii.evaluator._trial_context import TrialContext

if TYPE_CHECKING:
    from retiarii.evaluator import keras as keras
    from retiarii.evaluator import pytorch as pytorch
    from retiarii.evaluator._command import CommandEvaluator
    from retiarii.evaluator._command_space import search_space_of_command
    from retiarii.evaluator._serialization import dumps, loads
    from retiarii.evaluator.pytorch._state_file import read_state

__all__ = [
    "OUTPUT_DIR_VARIABLE",
    "CommandEvaluator",
    "Evaluator",
    "FunctionalEvaluator",
    "Simulated",
    "SupernetListener",
    "SupernetTraining",
    "TrialContext",
    "check_simulated",
    "dumps",
    "get_next_parameter",
    "is_command_of_trial",
    "load_checkpoint",
    "load_generators",
    "loads",
    "output_dir",
    "output_to",
    "read_state",
    "report_final_result",
    "report_intermediate_result",
    "run_evaluation",
    "save_checkpoint",
    "search_space_of_command",
    "seed_everything",
    "serialize",
    "tell_failure",
    "tell_search_space",
    "trace",
]

_EXPORTS = {
    "CommandEvaluator": "retiarii.evaluator._command",
    "search_space_of_command": "retiarii.evaluator._command_space",
    "dumps": "retiarii.evaluator._serialization",
    "loads": "retiarii.evaluator._serialization",
    "read_state": "retiarii.evaluator.pytorch._state_file",
}

__getattr__, __dir__ = lazy_attributes(__name__, _EXPORTS, modules=("keras", "pytorch"))
