"""Interpreters that print when they start."""

import textwrap

import pytest

from retiarii.execution import TemplateExecutor
from retiarii.testing._acts import job_for, perform
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
