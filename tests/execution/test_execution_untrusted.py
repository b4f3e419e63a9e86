"""Whatever a trial writes into the pipe of its events: it fails that trial only."""

import json
import math
import os
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retiarii.execution import Limits, Outcome, TemplateExecutor, TrialJob
from retiarii.execution._system.frames import MAX_FRAME, frame
from retiarii.execution._template.messages import check_event
from retiarii.execution._template.running_trial import RunningTrial
from retiarii.space import Architecture
from retiarii.testing._acts import wait_for_file
from retiarii.testing.execution import Reported, ending, watch
from retiarii.trial import TrialState

NUMBER = 7


class Silence:
    """The end of a pipe in which nothing is."""

    def read(self):
        return None


class FakeProcess:
    """The process of a trial that has exited."""

    pid = 1
    events = output = Silence()

    def kill(self):
        pass

    def collect(self):
        return 0


def framed(body):
    return struct.pack(">4sI", b"rtii", len(body)) + body


RUNNING = frame({"event": "running", "baseline": 0})
NOT_METRICS = ["null", "[]", "3", "{}", '{"default":null}', '{"default":true}', '{"default":"1"}']
NOT_METRICS += [
    '{"default":[1]}',
    '{"default":{}}',
    f'{{"default":1{"0" * 400}}}',
    f'{{"default":1,"a":-1{"0" * 999}}}',
]
DEEP = "[" * 200_000 + "]" * 200_000
NESTED = "[" * 900 + "]" * 900  # json reads it, repr may not

FORGED = {
    "garbage": b"\x00\xff" * 100,
    "length": b"rtii\xff\xff\xff\xff",
    "longest": b"rtii" + struct.pack(">I", MAX_FRAME) + b"[" * MAX_FRAME,
    "deep": framed(DEEP.encode()),
    "deep event": framed(f'{{"event":{NESTED}}}'.encode()),
    "not json": framed(b"{'event': 1}"),
    "not ascii": framed('{"event":"ä"}'.encode("utf-16")),
    "empty": framed(b""),
    "no event": frame({}),
    "unhashable": frame({"event": {}}),
    "running again": RUNNING,
    "unusable": frame({"event": "unusable", "message": "m", "traceback": "t"}),
    "ready": frame({"event": "ready"}),
    "nothing": frame({"event": "ended"}),
    "both": frame({"event": "ended", "metrics": {"default": 1.0}, "failure": ["raised", "m", None]}),
    "reason and metrics": frame({"event": "ended", "metrics": {"default": 1.0}, "reason": "why"}),
    "reason and failure": frame({"event": "ended", "failure": ["raised", "m", None], "reason": "why"}),
    "reason": frame({"event": "ended", "metrics": None, "failure": None, "reason": ["why"]}),
    "no reason": frame({"event": "ended", "metrics": None, "failure": None, "reason": ""}),
    "answer": frame({"reason": None}),
    "state": frame({"event": "pruned", "reason": "why"}),
    "cancelled": frame({"event": "ended", "metrics": None, "failure": ["cancelled", "m", None]}),
    "vanished": frame({"event": "ended", "metrics": None, "failure": ["vanished", "m", None]}),
    "kind": frame({"event": "ended", "metrics": None, "failure": [{}, "m", None]}),
    "message": frame({"event": "ended", "metrics": None, "failure": ["raised", 3, None]}),
    "traceback": frame({"event": "ended", "metrics": None, "failure": ["raised", "m", []]}),
    "failure": frame({"event": "ended", "metrics": None, "failure": {"0": "raised", "1": "m", "2": None}}),
    **{f"report {text[:20]}": framed(f'{{"event":"reported","metrics":{text}}}'.encode()) for text in NOT_METRICS},
    **{f"end {text[:20]}": framed(f'{{"event":"ended","metrics":{text}}}'.encode()) for text in NOT_METRICS},
}
FIRST = {
    "no baseline": frame({"event": "running"}),
    "baseline": frame({"event": "running", "baseline": "1"}),
    "huge baseline": framed(b'{"event":"running","baseline":1' + b"0" * 4000 + b"}"),
    "nan baseline": frame({"event": "running", "baseline": math.nan}),
    "negative baseline": frame({"event": "running", "baseline": -1}),
    "too early": frame({"event": "reported", "metrics": {"default": 1.0}}),
    "refusal": frame({"event": "unusable"}),
}


def heard(data, *, is_loaded=True, is_judged=False, step=1 << 16):
    """Return what a template passes on of a trial that wrote these bytes, its end included."""
    trial = RunningTrial(NUMBER, FakeProcess(), Limits(memory_bytes=1), is_loaded=is_loaded, is_judged=is_judged)
    messages = [told for start in range(0, len(data), step) for told in trial.hear(data[start : start + step])]
    return [*messages, *trial.end()]


@pytest.mark.parametrize("forged", FORGED)
def test_what_is_no_event_is_a_failure_with_its_reason(forged):
    report = frame({"event": "reported", "metrics": {"default": 1.0}, "number": 0})
    first, last = heard(RUNNING + report + FORGED[forged] + report)
    assert first == {"event": "reported", "number": NUMBER, "metrics": {"default": 1.0}}
    failure = Outcome.from_json(last).failure
    assert failure.kind.value == "vanished"
    assert "wrote into the pipe of its events. Found" in failure.message
    assert len(failure.message) < 1000


@pytest.mark.parametrize("forged", FIRST)
@pytest.mark.parametrize("is_loaded", [True, False])
def test_the_first_event_is_checked_too(forged, is_loaded):
    (last,) = heard(FIRST[forged], is_loaded=is_loaded)
    assert "Found" in Outcome.from_json(last).failure.message


def test_the_texts_of_a_failure_are_cut_and_can_be_stored():
    failure = ["raised", "\ud800\0" * 50_000, "x" * 300_000]
    (last,) = heard(RUNNING + frame({"event": "ended", "metrics": None, "failure": failure}))
    told = Outcome.from_json(last).failure
    assert len(told.message) < 3_000
    assert len(told.traceback) < 40_000
    assert "\0" not in told.message.encode().decode()


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
metrics = st.dictionaries(st.sampled_from(["default", "loss"]), st.floats() | plain, max_size=2) | plain
failures = st.lists(st.sampled_from(["raised", "timed_out", "text", None]) | plain, min_size=2, max_size=4) | plain
events = st.fixed_dictionaries(
    {"event": st.sampled_from(["running", "reported", "ended", "unusable", "started", "ready"]) | plain},
    optional={
        "metrics": metrics,
        "failure": st.none() | failures,
        "reason": st.none() | st.just("") | st.text(max_size=3) | plain,
        "baseline": plain,
        "number": plain,
        "message": plain,
    },
)
pieces = events.map(frame) | plain.map(lambda value: framed(json.dumps(value).encode())) | st.binary(max_size=20)


@given(st.lists(pieces, max_size=6).map(b"".join), st.booleans(), st.booleans(), st.booleans(), st.integers(1, 100))
def test_nothing_that_a_trial_writes_is_passed_on_unchecked(data, has_begun, is_loaded, is_judged, step):
    data = RUNNING + data if has_begun else data
    messages = heard(data, is_loaded=is_loaded, is_judged=is_judged, step=step)
    assert [message["event"] for message in messages].count("ended") == 1
    for message in json.loads(json.dumps(messages)):  # as it travels on
        check_event(message)
        if message["event"] == "reported":
            assert all(type(value) is float for value in message["metrics"].values())
            assert message["metrics"]
        assert message.get("number", NUMBER) == NUMBER
    Outcome.from_json(messages[-1])


@given(pieces)
def test_a_template_that_writes_no_events_is_found_out(data):
    trial = RunningTrial(NUMBER, FakeProcess(), Limits(), is_loaded=False)
    assert trial.hear(data) == [] or b"unusable" in data


def test_a_trial_that_has_nothing_to_say_before_it_begins_cannot_say_that_it_begins():
    trial = RunningTrial(NUMBER, FakeProcess(), Limits(), is_loaded=True)
    assert trial.hear(RUNNING) == []
    assert "Found" in Outcome.from_json(trial.end()[-1]).failure.message


def forge(job, report):
    """Write into the one pipe that is open besides the standard ones, and wait for what comes of it."""
    if job.architecture["forged"] is None:
        return wait_for_file(job, report)
    (channel,) = [number for number in range(3, 64) if os.path.exists(f"/proc/self/fd/{number}")]
    data = memoryview(FORGED[job.architecture["forged"]])
    while True:
        rest = data
        while rest:
            rest = rest[os.write(channel, rest) :]


@pytest.mark.parametrize("is_judged", [True, False])
def test_a_trial_may_say_that_it_pruned_itself(is_judged):
    (last,) = heard(RUNNING + frame({"event": "ended", "reason": "\ud800\0" * 50_000}), is_judged=is_judged)
    outcome = Outcome.from_json(last)
    assert outcome.state is TrialState.PRUNED
    assert len(outcome.reason) < 3_000
    assert "\0" not in outcome.reason.encode().decode()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_trial_that_forges_events_leaves_its_neighbour_alone(tmp_path):
    forged = [
        "garbage",
        "deep",
        "deep event",
        "reason and metrics",
        "kind",
        "report null",
        f"report {NOT_METRICS[-2][:20]}",
        "longest",
    ]
    with TemplateExecutor(forge, slots=2) as executor:
        executor.submit(TrialJob(0, Architecture({"forged": None, "path": str(tmp_path / "go")}), seed=0))
        for number, name in enumerate(forged, start=1):
            executor.submit(TrialJob(number, Architecture({"forged": name}), seed=0))
        told = watch(executor, range(1, len(forged) + 1))
        Path(tmp_path / "go").touch()
        told += watch(executor, [0])
    assert ending(told, 0).metrics == {"default": 8.0}
    for number in range(1, len(forged) + 1):
        ended = ending(told, number)
        assert (ended.state, ended.failure.kind.value) == (TrialState.FAILED, "vanished")
        assert "Found" in ended.failure.message
    assert [event.number for event in told if isinstance(event, Reported)] == [0]
