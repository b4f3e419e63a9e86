import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retiarii.space import Architecture
from retiarii.trial import Reports, Trial


@given(st.lists(st.integers(0, 5), max_size=12), st.slices(12))
def test_reports_are_a_sequence_that_equals_a_tuple(values, part):
    reports = Reports()
    for value in values:
        reports = reports.then({"default": float(value)})
    expected = tuple({"default": float(value)} for value in values)
    assert reports == expected
    assert expected == reports
    assert (len(reports), list(reports), reports[part]) == (len(expected), list(expected), expected[part])
    assert repr(reports) == repr(expected)
    assert pickle.loads(pickle.dumps(reports)) == copy.deepcopy(reports) == expected


@given(st.lists(st.integers(0, 100), min_size=1, max_size=30))
def test_earlier_reports_stay_as_they_are_whoever_goes_on_from_them(origins):
    kept = [(Reports(), ())]
    for step, origin in enumerate(origins):
        reports, expected = kept[origin % len(kept)]
        metrics = {"default": float(step)}
        kept.append((reports.then(metrics), (*expected, metrics)))
    for reports, expected in kept:
        assert reports == expected


def test_what_is_not_there_is_not_found():
    reports = Reports([{"default": 1.0}])
    reports.then({"default": 2.0})
    assert reports[-1] == {"default": 1.0}
    with pytest.raises(IndexError):
        reports[1]
    assert reports != [{"default": 1.0}]


def test_trials_compare_by_their_reports():
    metrics = {"default": 1.0}
    running = Trial(0, Architecture({}), intermediates=Reports().then(metrics))
    assert running == Trial(0, Architecture({}), intermediates=(metrics,))
    assert running != Trial(0, Architecture({}))
