import math

from retiarii.analysis import CandidateResult, TrialTable, candidate_results
from retiarii.space import Architecture
from retiarii.storage import ExperimentRecord
from retiarii.trial import Objectives, Trial, TrialState


def table(direction="minimize"):
    rows = [
        ("conv", TrialState.COMPLETED, 1.0),
        ("pool", TrialState.COMPLETED, 5.0),
        ("conv", TrialState.COMPLETED, 3.0),
        ("skip", TrialState.FAILED, None),
        ("conv", TrialState.FAILED, None),
        ("pool", TrialState.COMPLETED, math.inf),
    ]
    trials = [
        Trial(n, Architecture({"op": op} | ({"k": 3} if op == "conv" else {})), state, value and {"default": value})
        for n, (op, state, value) in enumerate(rows)
    ]
    return TrialTable.of(ExperimentRecord("e", objectives=Objectives.of(direction)), trials)


def test_values_are_sorted_by_their_mean_and_counted():
    conv, pool, skip = candidate_results(table())["op"]
    assert conv == CandidateResult("conv", 3, 2, 1, 2.0, 1.0)
    assert pool == CandidateResult("pool", 2, 1, 0, 5.0, 5.0)
    assert (skip.value, skip.num_drawn, skip.num_failed, math.isnan(skip.mean)) == ("skip", 1, 1, True)
    (three,) = candidate_results(table())["k"]
    assert (three.num_drawn, three.best) == (3, 1.0)


def test_larger_is_better_where_the_objective_says_so():
    found = candidate_results(table("maximize"))["op"]
    assert [(one.value, one.mean, one.best) for one in found[:2]] == [("pool", 5.0, 5.0), ("conv", 2.0, 3.0)]


def test_the_most_frequent_values_are_kept():
    assert [one.value for one in candidate_results(table(), max_values=1)["op"]] == ["conv"]
    assert candidate_results(TrialTable.of(ExperimentRecord("e"), [])) == {}
