"""The epochs of a one-shot search as numbers over time."""

import math

import numpy as np
import pytest

from retiarii.analysis import LabelCourse, SampledPath, SupernetCourse, supernet_course
from retiarii.storage import EpochRecord


def epoch(number: int, share: float, **record: object) -> EpochRecord:
    entropy = -sum(p * math.log(p) for p in (share, 1 - share))
    record = {
        "probabilities": {"op": {'"conv"': share, '"skip"': 1 - share}, "depth": {"2": 0.5, "3": 0.5}},
        "entropy": {"op": entropy, "depth": math.log(2)},
        "max_entropy": {"op": math.log(2), "depth": math.log(2)},
        "temperature": 2.0,
        "sampled": [{"op": "conv", "depth": 2}, {"op": "conv", "depth": 2}, {"op": "skip", "depth": 3}],
        **record,
    }
    return EpochRecord(number, record, {"loss": 1.0 / (number + 1), "default": math.nan}, 100.0 + number)


def test_probabilities_and_entropy_over_time() -> None:
    course = supernet_course([epoch(0, 0.5), epoch(1, 0.9)])
    assert isinstance(course, SupernetCourse)
    assert [label.label for label in course.labels] == ["depth", "op"]  # the most undecided first
    op = course.label("op")
    assert isinstance(op, LabelCourse)
    assert op.candidates == ("conv", "skip")
    np.testing.assert_allclose(op.probabilities, [[0.5, 0.5], [0.9, 0.1]])
    assert op.openness == pytest.approx(0.325083 / math.log(2), rel=1e-5)  # -0.9 ln 0.9 - 0.1 ln 0.1
    assert op.sampled == (2, 1)
    np.testing.assert_allclose(course.mean_entropy, [math.log(2), (0.325083 + math.log(2)) / 2], rtol=1e-5)
    assert course.mean_max_entropy == pytest.approx(math.log(2))
    assert course.metrics["loss"].tolist() == [1.0, 0.5]
    assert course.paths[0] == SampledPath({"depth": "2", "op": "conv"}, 2)
    assert course.num_sampled == 3


def test_damaged_records_count_as_missing() -> None:
    broken = EpochRecord(1, {"probabilities": {"op": 3, "depth": {"2": "x"}}, "entropy": [], "sampled": [1, None]})
    course = supernet_course([epoch(0, 0.5), broken])
    op, depth = course.label("op"), course.label("depth")
    assert op is not None
    assert depth is not None
    assert np.isnan(op.probabilities[1]).all()
    assert np.isnan(depth.probabilities[1]).all()
    assert math.isnan(op.entropy[1])
    assert course.num_sampled == 0
    empty = supernet_course([])
    assert empty.labels == ()
    assert math.isnan(empty.mean_max_entropy)
