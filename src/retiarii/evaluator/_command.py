"""`CommandEvaluator`: a program of the user's, in any language, that trains and measures one architecture."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from retiarii.errors import EvaluatorError, MetricError
from retiarii.evaluator._command_link import CommandServer
from retiarii.evaluator._command_process import check_platform, ending, serve_until_end, started
from retiarii.evaluator._evaluator import Evaluator
from retiarii.evaluator._reporting import ADDRESS_VARIABLE
from retiarii.evaluator._trial_context import TrialContext
from retiarii.space.construction import evaluate
from retiarii.trial import Metrics, parse_metrics

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


class CommandEvaluator(Evaluator):
    """Evaluates an architecture by running a command.

    ::

        space = SearchSpace([Float("lr", 1e-4, 1e-1, log=True), Categorical("width", (16, 32))])
        evaluator = CommandEvaluator("python train.py --lr {lr} --width {width}")
        experiment = RetiariiExperiment(space, evaluator, strategy=Random())

    ``{label}`` in the command stands for the value of a label, or for the fidelity of that name. A Python script may
    call `retiarii.get_next_parameter` instead, which returns all values and fidelities. It reports with
    `retiarii.report_intermediate_result` and `retiarii.report_final_result`, a program in another language with
    ``retiarii report 0.93``. What it prints is the output of the trial. In its environment are ``RETIARII_TRIAL``
    (where it reports), ``RETIARII_TRIAL_NUMBER``, ``RETIARII_SEED``, ``RETIARII_OUTPUT_DIR`` (the folder of the trial)
    and, where the trial continues another one, ``RETIARII_PARENT_DIR``.

    The trial fails if the command does not start, ends with another exit code than 0, or reports no final result. When
    the command ends, processes that it left running are killed.

    Args:
        command: A line for the shell, in which values are quoted, or a sequence of arguments, run without a shell.
            Among the arguments may be choices, such as `retiarii.space.Float`, which are searched.
        folder: Where the command runs; relative to the current directory.
        environment: Further variables of its environment.

    Attributes:
        command: The command.
        folder: Where it runs.
        environment: Further variables.

    Raises:
        EvaluatorError: ``command`` is empty or of another type; ``folder`` is not a directory; the system is Windows.
    """

    def __init__(
        self,
        command: str | Sequence[Any],
        folder: str | Path = ".",
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        check_platform("CommandEvaluator")
        if (
            not isinstance(command, (str, Sequence))
            or not command
            or (isinstance(command, str) and not command.strip())
        ):
            raise EvaluatorError(
                f"CommandEvaluator got the command {command!r}, expected a line such as 'python train.py', or a list "
                "of arguments."
            )
        self.command: str | list[Any] = command if isinstance(command, str) else list(command)
        self.folder = Path(folder).expanduser().resolve()
        if not self.folder.is_dir():
            raise EvaluatorError(f"CommandEvaluator got folder={str(folder)!r}, which is no directory.")
        self.environment = dict(environment or {})
        self.fidelities = None

    def __repr__(self) -> str:
        return f"CommandEvaluator({self.command!r})"

    def evaluate(self, model: Any, context: TrialContext | None = None) -> Metrics | None:
        """Run the command for one architecture and return the final metrics that it reports.

        Args:
            model: The architecture, a mapping from labels to values.
            context: The trial.

        Raises:
            EvaluatorError: The command cannot be started, or ends with an error.
            MetricError: The command reports no final result.
            TrialPruned: The search ends the trial.
        """
        if not isinstance(model, Mapping):
            raise EvaluatorError(
                f"{self!r} got a {type(model).__name__}, expected an architecture. A command evaluates architectures "
                "of a bare search space: RetiariiExperiment(SearchSpace([...]), CommandEvaluator(...))."
            )
        context = context or TrialContext()
        architecture = context.architecture or model
        run = _Run({**self.parameters(architecture), **context.fidelity}, context)
        arguments = self._arguments({**architecture, **context.fidelity})
        with CommandServer(run.answer) as server:
            with started(arguments, self.folder, self._variables(server.address, context)) as process:
                serve_until_end(process, server)
        if process.returncode != 0:
            reason = "" if run.failure is None else f" {run.failure}"
            raise EvaluatorError(f"The command {ending(process.returncode)}: {self.command!r}.{reason} {_SEE_OUTPUT}")
        if run.final is None:
            raise MetricError(
                f"The command ended and reported no final result: {self.command!r}. Let it call "
                "retiarii.report_final_result(metric), or run `retiarii report METRIC`, once."
            )
        return run.final

    def parameters(self, architecture: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that `retiarii.get_next_parameter` returns in the command, besides the trial's fidelities.

        Args:
            architecture: The values of all labels.
        """
        return dict(architecture)

    def _arguments(self, values: Mapping[str, Any]) -> str | list[str]:
        """Return the command with its placeholders filled."""
        if isinstance(self.command, str):
            return _filled(self.command, values, lambda value: shlex.quote(_text(value)))
        return [
            _filled(item, values, _text) if isinstance(item, str) else _text(item) for item in evaluate(self.command)
        ]

    def _variables(self, address: str, context: TrialContext) -> dict[str, str]:
        own = {
            ADDRESS_VARIABLE: address,
            "RETIARII_TRIAL_NUMBER": str(context.number),
            "RETIARII_SEED": str(context.seed),
        }
        if context.parent_folder is not None:
            own["RETIARII_PARENT_DIR"] = str(context.parent_folder)
        return {**os.environ, "PYTHONUNBUFFERED": "1", **own, **self.environment}


_REQUESTS = ("parameters", "intermediate", "final", "failure")
_MAX_REASON = 2_000  # characters
_SEE_OUTPUT = "Its last output is stored with the trial: `retiarii show`."


class _Run:
    """One run of the command: answers its requests, and keeps what it reports.

    Args:
        parameters: The parameters for the command.
        context: The trial.

    Attributes:
        parameters: The parameters for the command.
        final: The final metrics; None until they are reported.
        failure: The reason that the command gave for its failure; None if it gave none.
    """

    def __init__(self, parameters: dict[str, Any], context: TrialContext) -> None:
        self.parameters = parameters
        self.final: Metrics | None = None
        self.failure: str | None = None
        self._context = context

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request of the command.

        Raises:
            MetricError: The reported value is not a metric, or is a second final result.
            TrialPruned: The search ends the trial.
        """
        if "parameters" in request:
            return {"parameters": self.parameters}
        if "intermediate" in request:
            self._context.report(request["intermediate"])
            return {}
        if "final" in request:
            metrics = parse_metrics(request["final"], where="the final result")
            if self.final is not None:
                raise MetricError(
                    f"The command reported two final results: first {self.final}, now {metrics}. A trial has one; "
                    "report those on the way as intermediate results."
                )
            self.final = metrics
            return {}
        if "failure" in request:
            self.failure = str(request["failure"])[:_MAX_REASON]
            return {}
        return {"error": f"The request {json.dumps(request)[:200]} has none of {', '.join(map(repr, _REQUESTS))}."}


def _filled(text: str, values: Mapping[str, Any], shown: Any) -> str:
    """Replace ``{label}`` by the value of the label; all other braces stay."""
    return _PLACEHOLDER.sub(lambda found: shown(values[found[1]]) if found[1] in values else found[0], text)


def _text(value: Any) -> str:
    """Return a value for a command line: texts and numbers as they are, everything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return json.dumps(value)
    return repr(value)
