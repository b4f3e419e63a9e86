"""Work in a fork beside the search."""

import fcntl
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from retiarii.execution import Aside

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def everything(work: Callable[[Callable[[dict[str, Any]], None]], None], timeout_s: float = 20.0) -> list[Any]:
    aside = Aside(work, timeout_s=timeout_s, max_bytes=1_000_000)
    found = []
    while not aside.is_over:
        aside.wait(timeout_s)
        found += aside.received()
    return found


def test_what_is_sent_arrives_in_order_also_if_it_is_large() -> None:
    def work(send: Callable[[dict[str, Any]], None]) -> None:
        send({"pid": os.getpid(), "nice": os.nice(0)})
        print("not shown")
        send({"text": "x" * 300_000})

    first, second = everything(work)
    assert first["pid"] != os.getpid()
    assert first["nice"] > os.nice(0) or os.nice(0) >= 19
    assert len(second["text"]) == 300_000


def test_it_ends_first_when_memory_is_short_and_holds_back_no_signal() -> None:
    def work(send: Callable[[dict[str, Any]], None]) -> None:
        with open("/proc/self/oom_score_adj") as file:
            score = int(file.read())
        send({"score": score, "is_held_back": signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])})

    assert everything(work) == [{"score": 1000, "is_held_back": False}]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_process_with_many_open_files_can_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2048 if hard == resource.RLIM_INFINITY else min(2048, hard)
    if wanted < 2048:
        pytest.skip("needs descriptors above 1023")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    pipe = os.pipe

    def high_pipe() -> tuple[int, int]:
        reading, writing = pipe()
        high = fcntl.fcntl(reading, fcntl.F_DUPFD_CLOEXEC, 1500)
        os.close(reading)
        return high, writing

    monkeypatch.setattr(os, "pipe", high_pipe)
    try:
        assert everything(lambda send: send({"number": 1})) == [{"number": 1}]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("end", [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: sys.exit(3), lambda: 1 / 0])
def test_its_death_is_no_error(end: Callable[[], object], capfd: pytest.CaptureFixture[str]) -> None:
    def work(send: Callable[[dict[str, Any]], None]) -> None:
        send({"number": 1})
        end()

    assert everything(work) == [{"number": 1}]
    assert capfd.readouterr() == ("", "")


def test_what_hangs_is_killed_in_time() -> None:
    pids: list[int] = []

    def work(send: Callable[[dict[str, Any]], None]) -> None:
        send({"pid": os.getpid()})
        while True:
            signal.pause()

    aside = Aside(work, timeout_s=1.0, max_bytes=1_000)
    while not aside.is_over:
        aside.wait(0.1)
        pids += [data["pid"] for data in aside.received()]
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_too_much_output_ends_it() -> None:
    def work(send: Callable[[dict[str, Any]], None]) -> None:
        while True:
            send({"text": "x" * 100_000})

    found = everything(work)
    assert len(found) <= 11


def test_it_keeps_no_file_of_this_process_open() -> None:
    reading, writing = os.pipe()
    aside = Aside(lambda send: time.sleep(30), timeout_s=20.0, max_bytes=1_000)
    try:
        time.sleep(0.2)
        os.close(writing)
        assert os.read(reading, 1) == b""  # the fork has no end of this pipe
    finally:
        aside.close()
        os.close(reading)
