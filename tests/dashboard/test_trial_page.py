import pytest

from retiarii.analysis import TrialFilter, TrialTable
from retiarii.dashboard._reading.trial_page import TrialPage, trial_page
from retiarii.errors import ConfigError
from retiarii.storage import ExperimentRecord
from retiarii.testing.records import completed, running
from retiarii.trial import TrialState

METRICS = [0.5, 0.9, 0.1, 0.9, 0.3]
TABLE = TrialTable.of(
    ExperimentRecord("first"), [running(9), *(completed(place + 1, metric) for place, metric in enumerate(METRICS))]
)


def test_pages_together_are_all_trials_in_order():
    page = trial_page(TABLE, sort="metric:default", descending=True, limit=4)
    assert isinstance(page, TrialPage)
    assert (page.numbers, page.num_matching, page.next_after) == ([2, 4, 1, 5], 6, 5)
    assert page.table is TABLE
    last = trial_page(TABLE, sort="metric:default", descending=True, after=page.next_after, limit=4)
    assert (last.numbers, last.num_matching, last.next_after) == ([3, 9], 6, None)


def test_a_page_has_the_trials_that_meet_the_conditions():
    wanted = TrialFilter(states=[TrialState.COMPLETED], metrics={"default": (0.3, 1.0)})
    assert trial_page(TABLE, wanted).numbers == [1, 2, 4, 5]
    page = trial_page(TABLE, wanted, offset=1, limit=2)
    assert (page.numbers, page.num_matching, page.next_after) == ([2, 4], 4, 4)
    assert trial_page(TABLE, wanted, after=3).numbers == [4, 5]  # trial 3 itself does not meet them
    assert trial_page(TABLE, wanted, offset=9).numbers == []


def test_what_is_not_there_is_named():
    with pytest.raises(ConfigError, match="no column 'metric:loss'"):
        trial_page(TABLE, sort="metric:loss")
    with pytest.raises(ConfigError, match="no trial 7"):
        trial_page(TABLE, after=7)
