"""Interpreters that print when they start."""

import textwrap

import pytest

from retiarii.execution import TemplateExecutor
from retiarii.testing._acts import job_for, perform, succeed
from retiarii.testing.execution import ending, reports, watch
from retiarii.trial import TrialState

NOISE = """
    import atexit, os, sys, threading
    print("a warning that somebody's sitecustomize prints")
    print("another one", file=sys.stderr)
    os.write(1, b"rtii\\xff\\xff\\xff\\xff and bytes past Python")
    sys.stdin.read()
    atexit.register(print, "bye")
    threading.Thread(target=print, args=("from a thread",)).start()
"""


REPLACED = """
    import sys

    class OnlyWrites:
        def __init__(self, stream):
            self._stream = stream

        def write(self, text):
            return self._stream.write(text)

    sys.stdout, sys.stderr = OnlyWrites(sys.stdout), None
"""
LOUD = """
    print("x" * 300_000)  # more than a pipe holds
"""


class Large:
    """A task that no pipe holds."""

    def __init__(self):
        self.data = b"x" * 300_000

    def __call__(self, job, report):
        print("from the trial")
        return succeed(job, report)


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
@pytest.mark.parametrize("code", [REPLACED, LOUD], ids=["replaced", "loud"])
def test_an_interpreter_may_print_much_or_have_other_streams(start_method, code, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(code))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with TemplateExecutor(Large(), start_method=start_method) as executor:
        executor.submit(job_for("any"))
        ended = ending(watch(executor, [0]))
    assert ended.state is TrialState.COMPLETED
    assert ended.output.endswith("from the trial\n")


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_what_an_interpreter_prints_and_reads_at_its_start_is_no_message(start_method, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(NOISE))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with TemplateExecutor(perform, start_method=start_method) as executor:
        for number in range(2):
            executor.submit(job_for("succeed", number))
        events = watch(executor, range(2))
    for number in range(2):
        ended = ending(events, number)
        assert ended.state is TrialState.COMPLETED
        assert ("sitecustomize prints" in ended.output) == (start_method == "spawn")
    assert len(reports(events)) == 6
