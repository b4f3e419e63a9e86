"""`report_intermediate_result` and `report_final_result`: the functions by which an evaluation reports metrics.

The recorder of the running trial is a `ContextVar`, so evaluations in different threads do not mix. Without a recorder,
that is, in a script that runs outside of an experiment, the two functions only log the metrics.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from retiarii._own_process import own_process, refuse_in_fork
from retiarii.errors import EvaluatorError, MetricError
from retiarii.trial import Metrics, MetricValue, parse_metrics

ADDRESS_VARIABLE = "RETIARII_TRIAL"
"""The environment variable of a command that a trial runs: where the trial listens."""

SPACE_VARIABLE = "RETIARII_SEARCH_SPACE"
"""The environment variable of a command that is run to learn its search space: where ``retiarii ss-gen`` listens."""

_logger = logging.getLogger(__name__)


class Recorder:
    """Collects the reported metrics of one evaluation, in the process that made the recorder.

    Args:
        on_intermediate: Called with every intermediate result.

    Attributes:
        num_intermediates: The number of intermediate results so far.
        final: The final result, None until it is reported.
    """

    def __init__(self, on_intermediate: Callable[[Metrics], None]) -> None:
        self._on_intermediate = on_intermediate
        self._own_process = own_process()
        self.num_intermediates = 0
        self.final: Metrics | None = None

    def record_intermediate(self, metrics: Metrics) -> None:
        """Pass on one intermediate result.

        Raises:
            EvaluatorError: The calling process was forked by the trial.
        """
        refuse_in_fork(self._own_process, "report_intermediate_result")
        self.num_intermediates += 1
        self._on_intermediate(metrics)

    def record_final(self, metrics: Metrics) -> None:
        """Keep the final result.

        Raises:
            MetricError: A final result was reported before.
            EvaluatorError: The calling process was forked by the trial.
        """
        refuse_in_fork(self._own_process, "report_final_result")
        if self.final is not None:
            raise MetricError(
                f"report_final_result was called twice in one trial: first with {self.final}, now with {metrics}. "
                "A trial has one final result; report those on the way with report_intermediate_result."
            )
        self.final = metrics

    def conclude(self, returned: Any, evaluator: object) -> Metrics:
        """Return the final metrics of an evaluation that has ended.

        Args:
            returned: The value that the evaluator returned. If a final result was reported, a returned object that is
                not a metric (a model, a tuple, ...) is ignored, as in scripts written for NNI.
            evaluator: The evaluator, for messages.

        Raises:
            MetricError: There is no final result, it is not a number, or the returned and the reported one differ.
        """
        if self.final is None:
            return self._parse_returned(returned, evaluator)
        try:
            parsed = {} if returned is None else parse_metrics(returned)
        except MetricError:
            _logger.info("%r reported a final result; the %s it returned is ignored", evaluator, type(returned))
            return self.final
        different = [name for name in parsed if name in self.final and not _is_same(parsed[name], self.final[name])]
        if different:
            raise MetricError(
                f"{evaluator!r} reported the final result {self.final} and returned {parsed}: they differ in "
                f"{different}. Report the final result or return it; both only if they are equal."
            )
        return {**parsed, **self.final}

    def _parse_returned(self, returned: Any, evaluator: object) -> Metrics:
        if type(returned) is float:
            return parse_metrics(returned)  # there is nothing to say about it, and some evaluators are long texts
        if returned is not None:
            return parse_metrics(returned, where=f"what {evaluator!r} returned")
        seen = (
            f"{self.num_intermediates} intermediate result(s) and no final one" if self.num_intermediates else "nothing"
        )
        raise MetricError(
            f"{evaluator!r} returned None and reported {seen}. Expected a final result: return the metric, or call "
            "retiarii.report_final_result(metric)."
        )


_RECORDER: ContextVar[Recorder | None] = ContextVar("retiarii_recorder", default=None)


def current_recorder() -> Recorder | None:
    """Return the recorder of the running trial; None outside of a trial."""
    return _RECORDER.get()


@contextmanager
def recording(on_intermediate: Callable[[Metrics], None]) -> Iterator[Recorder]:
    """Collect the metrics that are reported in this block."""
    recorder = Recorder(on_intermediate)
    token = _RECORDER.set(recorder)
    try:
        yield recorder
    finally:
        _RECORDER.reset(token)


def report_intermediate_result(metric: MetricValue) -> None:
    """Report an intermediate metric, for example the validation accuracy after an epoch.

    Outside a trial it is logged at level INFO, so that a script that reports also runs on its own.

    Args:
        metric: A number (a one-element tensor or NumPy scalar counts as one), or a mapping from names to numbers
            with the key ``"default"``. NaN is allowed for intermediate results.

    Raises:
        MetricError: ``metric`` is neither.
        EvaluatorError: The calling process was forked by the trial, so the result would be lost.
    """
    metrics = parse_metrics(metric, where="the intermediate result")
    recorder = current_recorder()
    if recorder is not None:
        recorder.record_intermediate(metrics)
    elif is_command_of_trial():
        _ask(ADDRESS_VARIABLE, {"intermediate": metrics})
    else:
        _logger.info("intermediate result: %s", metrics)


def report_final_result(metric: MetricValue) -> None:
    """Report the metric that the strategy compares; once per trial. Returning it from the evaluator does the same.

    Outside a trial it is logged at level INFO, so that a script that reports also runs on its own.

    Args:
        metric: A number (a one-element tensor or NumPy scalar counts as one), or a mapping from names to numbers
            with the key ``"default"``.

    Raises:
        MetricError: ``metric`` is neither, its default is not finite, or a final result was reported before.
        EvaluatorError: The calling process was forked by the trial, so the result would be lost.
    """
    metrics = parse_metrics(metric, where="the final result")
    recorder = current_recorder()
    if recorder is not None:
        recorder.record_final(metrics)
    elif is_command_of_trial():
        _ask(ADDRESS_VARIABLE, {"final": metrics})
    else:
        _logger.info("final result: %s", metrics)


def get_next_parameter() -> dict[str, Any]:
    """Return the values that the running trial has for the labels of the search space.

    In a script that a `CommandEvaluator` runs, these are the values of its architecture. In a script that runs on its
    own, there are none: an empty dict is returned and logged at level INFO, so that ``{"lr": 0.1,
    **get_next_parameter()}`` takes the script's own values.

    Raises:
        EvaluatorError: The trial that runs this command has ended.
    """
    if is_command_of_trial():
        parameters: dict[str, Any] = _ask(ADDRESS_VARIABLE, {"parameters": None})["parameters"]
        return parameters
    _logger.info("no trial runs this script: get_next_parameter() returns no values")
    return {}


def is_command_of_trial() -> bool:
    """Return whether a trial runs this process, or the command that started it."""
    return ADDRESS_VARIABLE in os.environ


def tell_failure(reason: str) -> None:
    """Tell the trial that runs this command why the command is about to fail; nothing outside of a trial.

    Args:
        reason: A sentence for the failure of the trial.
    """
    if is_command_of_trial():
        with suppress(EvaluatorError):  # the reason is also in the output
            _ask(ADDRESS_VARIABLE, {"failure": reason})


def tell_search_space(description: Mapping[str, Any]) -> bool:
    """Tell ``retiarii ss-gen`` the search space of this command, where that program runs it.

    Args:
        description: The content of the search-space file.

    Returns:
        Whether ``retiarii ss-gen`` runs this command. The command must then end.

    Raises:
        MetricError: A search space was told before, or this one is too large.
        EvaluatorError: ``retiarii ss-gen`` cannot be reached.
    """
    if SPACE_VARIABLE not in os.environ:
        return False
    _ask(SPACE_VARIABLE, {"space": dict(description)})
    return True


def _ask(variable: str, request: dict[str, Any]) -> dict[str, Any]:
    """Send a request to the process that runs this command, see `retiarii.evaluator._command_link.ask`."""
    from retiarii.evaluator._command_link import ask  # sockets are for commands only

    return ask(variable, request)


def _is_same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right))
