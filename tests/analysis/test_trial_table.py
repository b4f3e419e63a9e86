import math

import numpy as np

from retiarii.analysis import STATES, Coded, TrialTable
from retiarii.space import Architecture
from retiarii.storage import ExperimentRecord
from retiarii.trial import Failure, FailureKind, Fidelity, Trial, TrialState


def test_trials_become_columns_with_gaps_where_a_trial_has_no_value():
    trials = [
        Trial(1, Architecture({"op": "conv", "width": 8}), TrialState.COMPLETED, {"default": 0.5}, finish_order=0),
        Trial(0, Architecture({"op": "pool"}), TrialState.FAILED, failure=Failure(FailureKind.RAISED, "no memory")),
        Trial(2, Architecture({"op": "conv", "width": 4}), fidelity=Fidelity(epochs=3), parent=1),
    ]
    table = TrialTable.of(ExperimentRecord("e"), trials)
    assert table.number.tolist() == [0, 1, 2]
    assert [STATES[code] for code in table.state] == [TrialState.FAILED, TrialState.COMPLETED, TrialState.RUNNING]
    assert table.is_in(TrialState.COMPLETED).tolist() == [False, True, False]
    assert np.array_equal(table.metric, [math.nan, 0.5, math.nan], equal_nan=True)
    assert [table.choices["op"].at(row) for row in range(3)] == ["pool", "conv", "conv"]
    assert [table.choices["width"].at(row) for row in range(3)] == [None, 8, 4]
    assert isinstance(table.choices["width"], Coded)
    assert table.failure.at(0) == ("raised", "no memory")
    assert table.fidelity.at(2) == (("epochs", 3),)
    assert table.parent.tolist() == [-1, -1, 1]
