"""The final metrics of a trial, from its returned and reported values."""

from __future__ import annotations

import logging
import math

import pytest
import torch
from torch import nn

from retiarii.errors import MetricError
from retiarii.evaluator import (
    FunctionalEvaluator,
    TrialContext,
    report_final_result,
    report_intermediate_result,
    run_evaluation,
)


def run(function, intermediates=None):
    seen = [] if intermediates is None else intermediates
    return run_evaluation(FunctionalEvaluator(function), nn.Identity(), TrialContext(on_report=seen.append))


def test_a_returned_number_is_the_final_metric():
    assert run(lambda model: 0.75) == {"default": 0.75}


def test_a_one_element_tensor_counts_as_its_number():
    assert run(lambda model: torch.tensor([0.5])) == {"default": 0.5}


def test_a_returned_mapping_keeps_all_its_metrics():
    assert run(lambda model: {"default": 0.5, "latency_ms": 3}) == {"default": 0.5, "latency_ms": 3.0}


def test_intermediate_results_arrive_in_order_while_the_evaluation_runs():
    seen = []

    def evaluate(model):
        for epoch in range(3):
            report_intermediate_result({"default": epoch, "loss": -epoch})
            assert len(seen) == epoch + 1
        report_final_result(2)

    assert run(evaluate, seen) == {"default": 2.0}
    assert seen == [{"default": float(i), "loss": float(-i)} for i in range(3)]


def test_reporting_and_returning_the_same_is_fine_and_merges():
    def evaluate(model):
        report_final_result({"default": 0.5, "loss": 1.0})
        return {"default": 0.5, "latency_ms": 2.0}

    assert run(evaluate) == {"default": 0.5, "loss": 1.0, "latency_ms": 2.0}


def test_reporting_one_value_and_returning_another_is_an_error():
    def evaluate(model):
        report_final_result(0.5)
        return 0.6

    with pytest.raises(MetricError, match=r"0\.5.*0\.6.*default"):
        run(evaluate)


def test_a_reported_result_wins_over_a_returned_object_that_is_no_metric():
    def evaluate(model):
        report_final_result(0.5)
        return model

    assert run(evaluate) == {"default": 0.5}


def test_two_final_reports_are_an_error():
    def evaluate(model):
        report_final_result(0.5)
        report_final_result(0.6)

    with pytest.raises(MetricError, match="called twice"):
        run(evaluate)


@pytest.mark.parametrize("bad", [math.nan, math.inf, torch.tensor(math.nan)])
def test_what_cannot_be_compared_is_passed_on_to_whoever_knows_the_objectives(bad):
    assert not math.isfinite(run(lambda model: bad)["default"])
    assert not math.isfinite(run(lambda model: report_final_result({"loss": bad}))["loss"])


def test_a_mapping_needs_no_default():
    assert run(lambda model: {"accuracy": 0.5, "params": 10}) == {"accuracy": 0.5, "params": 10.0}
    assert run(lambda model: report_final_result({"accuracy": 0.5})) == {"accuracy": 0.5}


def test_nan_on_the_way_is_a_fact_and_not_an_error():
    seen = []

    def evaluate(model):
        report_intermediate_result(math.nan)
        return 1.0

    assert run(evaluate, seen) == {"default": 1.0}
    assert math.isnan(seen[0]["default"])


def test_a_metric_never_reported_is_an_error_that_says_how_to_report():
    with pytest.raises(MetricError, match=r"reported nothing.*report_final_result"):
        run(lambda model: None)
    with pytest.raises(MetricError, match="1 intermediate result"):
        run(lambda model: report_intermediate_result(1.0))


@pytest.mark.parametrize("bad", ["0.5", [0.5], True, {"accuracy": "high"}, {}])
def test_a_metric_that_is_not_a_number_is_an_error(bad):
    with pytest.raises(MetricError, match=r"number|empty mapping"):
        run(lambda model: bad)


def test_outside_a_trial_reports_are_logged(caplog):
    with caplog.at_level(logging.INFO, logger="retiarii"):
        report_intermediate_result(0.25)
        report_final_result(0.5)
        report_final_result(0.75)  # nobody counts here
    assert "0.25" in caplog.text
    assert "0.75" in caplog.text


def test_a_trial_that_raised_leaves_no_recorder_behind(caplog):
    def evaluate(model):
        report_final_result(0.5)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(evaluate)
    assert run(lambda model: 0.75) == {"default": 0.75}
    report_final_result(1.0)
    report_final_result(1.0)
