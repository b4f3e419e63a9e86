from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retiarii.errors import ExecutionError
from retiarii.execution import Outcome, TrialJob
from retiarii.execution._outcome import metrics_from_json
from retiarii.execution._system.frames import MAX_FRAME, FrameReader, frame
from retiarii.testing._acts import VALUES, job_for
from retiarii.trial import Failure, FailureKind, Fidelity

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
messages = st.dictionaries(st.text(), plain, max_size=4)


@given(sent=st.lists(messages, max_size=4), cuts=st.lists(st.integers(1, 40), min_size=1))
def test_messages_arrive_in_whatever_pieces(sent, cuts):
    data = b"".join(frame(message) for message in sent)
    reader = FrameReader()
    received = []
    while data:
        cut = cuts[len(received) % len(cuts)]
        received += reader.feed(data[:cut])
        data = data[cut:]
    assert received == sent


@given(st.binary(min_size=8))
def test_garbage_is_no_message(data):
    reader = FrameReader()
    try:
        assert reader.feed(data) == []
    except ExecutionError:
        return
    assert data.startswith(b"rtii")


@pytest.mark.parametrize(
    "data",
    [
        b"rtii\xff\xff\xff\xff",
        b"rtii\x00\x00\x00\x03abc",
        b"rtii\x00\x00\x00\x02[]",
        frame({}) + b"and garbage",
    ],
)
def test_frames_that_are_none_are_refused(data):
    with pytest.raises(ExecutionError, match="Found"):
        FrameReader().feed(data)


def test_frames_of_any_length_are_read_where_they_are_trusted():
    message = {"text": "x" * (MAX_FRAME + 1)}
    assert FrameReader(max_frame=None).feed(frame(message)) == [message]


def travel(message):
    (received,) = FrameReader().feed(frame(message))
    return received


def test_jobs_travel_with_the_types_of_their_values():
    job = job_for("any", 5, is_judged=True, **VALUES)
    job = replace(job, fidelity=Fidelity(epochs=3, share=0.5), parent=2, device="cuda")
    received = TrialJob.from_json(travel(job.to_json()))
    assert received == job
    assert type(received.fidelity["epochs"]) is int


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome({"default": 1.0, "loss": float("inf")}),
        Outcome(failure=Failure(FailureKind.RAISED, "message", "trace\nback")),
        Outcome(failure=Failure(FailureKind.VANISHED, "message")),
        Outcome(reason="not good enough"),
    ],
)
def test_outcomes_travel(outcome):
    assert Outcome.from_json(travel(outcome.to_json())) == outcome


@pytest.mark.parametrize(
    "message",
    [
        {},
        None,
        {"metrics": None, "failure": None},
        {"metrics": {"default": 1.0}, "failure": ["raised", "m", None]},
        {"metrics": {"default": "1"}, "failure": None},
        {"metrics": [1.0], "failure": None},
        {"metrics": None, "failure": ["no such kind", "m", None]},
        {"metrics": None, "failure": ["raised"]},
        {"metrics": None, "failure": 3},
        {"metrics": {}, "failure": None, "reason": ""},
        {"metrics": {"default": 1.0}, "failure": None, "reason": "why"},
        {"metrics": None, "failure": ["raised", "m", None], "reason": "why"},
        {"metrics": None, "failure": None, "reason": ["why"]},
    ],
)
def test_outcomes_that_are_none_are_refused(message):
    with pytest.raises(ExecutionError, match="Found"):
        Outcome.from_json(message)


@pytest.mark.parametrize("message", [None, [], {}, {"default": None}, {"default": True}])
def test_metrics_that_are_none_are_refused(message):
    with pytest.raises(ExecutionError, match="Found metrics"):
        metrics_from_json(message)
