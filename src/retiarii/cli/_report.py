"""``retiarii report``: report a metric from a command that a trial runs, in any language."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from retiarii.errors import MetricError
from retiarii.evaluator import report_final_result, report_intermediate_result


def report(
    metric: Annotated[
        str, typer.Argument(metavar="METRIC", help="A number, or an object in JSON from names to numbers.")
    ],
    intermediate: Annotated[
        bool, typer.Option("--intermediate", help="An intermediate result; the command goes on.")
    ] = False,
) -> None:
    """Report a metric from a command that a trial runs.

    Outside a trial, the metric is checked and nothing else happens.

    Raises:
        MetricError: ``metric`` is neither a number nor an object, or a final result was reported before.
        EvaluatorError: The trial has ended.
    """
    try:
        value: Any = json.loads(metric)
    except ValueError as err:
        raise MetricError(
            f"retiarii report got {metric!r}, expected a number, or an object such as '{{\"accuracy\": 0.93}}'."
        ) from err
    (report_intermediate_result if intermediate else report_final_result)(value)
