"""Searches whose terminal is closed, or whose output nobody reads any more."""

import os
import pty
import select
import signal
import subprocess
import sys
import textwrap
import threading
from contextlib import suppress

import pytest

from retiarii.storage import open_store
from retiarii.testing.execution import eventually
from retiarii.trial import TrialState

NUM_TRIALS = 6
SCRIPT = """
    import os, sys, time
    from pathlib import Path

    if "--controlling" in sys.argv:
        os.close(os.open(os.ttyname(2), os.O_RDWR))  # the terminal of this session from now on

    import retiarii.nn.pytorch as nn
    from retiarii import FunctionalEvaluator
    from retiarii.experiment import Callback, RetiariiExeConfig, RetiariiExperiment
    from retiarii.experiment._displays import display
    from retiarii.strategy import GridSearch

    def evaluate(model):
        print("from a trial", flush=True)
        Path("started").touch()
        while not Path("go").exists():
            time.sleep(0.01)
        return float(model.out_features)

    class Talks(Callback):
        def on_trial_end(self, trial):
            print("a line of the user's", trial.number, flush=True)

    if __name__ == "__main__":
        display.LINE_EVERY_S = 0.0
        model = nn.Linear(2, nn.ValueChoice([1, 2, 3, 4, 5, 6], label="width"))
        config = RetiariiExeConfig(sys.argv[1], trial_concurrency=1)
        config.storage = "store.db"
        RetiariiExperiment(model, FunctionalEvaluator(evaluate), [], GridSearch(), callbacks=[Talks()]).run(config)
        print("the last line")
"""


class Terminal:
    """A pseudo-terminal that somebody looks at until it is closed."""

    def __init__(self):
        self._descriptor, self.end = pty.openpty()
        self._is_closed = threading.Event()
        self._reader = threading.Thread(target=self._look, daemon=True)
        self._reader.start()

    def _look(self):
        with suppress(OSError):  # nobody has the other end open any more
            while not self._is_closed.is_set():
                if select.select([self._descriptor], [], [], 0.05)[0]:
                    os.read(self._descriptor, 1 << 16)

    def close(self):
        self._is_closed.set()
        self._reader.join()
        os.close(self._descriptor)


@pytest.fixture
def start(tmp_path):
    """Starts the script with this standard output and error."""
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    started = []

    def start(output, *arguments):
        command = [sys.executable, "script.py", *arguments]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=tmp_path, start_new_session=True
        )
        started.append(process)
        os.close(output)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def finished_trials(folder):
    with open_store(folder / "store.db", create=False) as store:
        (record,) = store.list_experiments()
        return store.count_trials(record.id)[TrialState.COMPLETED], record.state.value


@pytest.mark.parametrize("platform", ["local", pytest.param("in_process", marks=pytest.mark.slow)])
def test_a_search_goes_on_when_nobody_reads_its_output(start, platform, tmp_path):
    reader, writer = os.pipe()
    process = start(writer, platform)
    assert eventually((tmp_path / "started").exists)
    os.close(reader)
    (tmp_path / "go").touch()
    assert process.wait(100) == 0
    assert finished_trials(tmp_path) == (NUM_TRIALS, "done")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["local"], marks=pytest.mark.slow),
        pytest.param(["local", "--controlling"], marks=pytest.mark.slow),
        ["in_process", "--controlling"],
    ],
)
def test_a_search_goes_on_when_its_terminal_is_closed(start, arguments, tmp_path):
    terminal = Terminal()
    process = start(terminal.end, *arguments)
    assert eventually((tmp_path / "started").exists)
    terminal.close()
    (tmp_path / "go").touch()
    assert process.wait(100) == 0
    assert finished_trials(tmp_path) == (NUM_TRIALS, "done")


@pytest.mark.slow
def test_a_hangup_that_is_sent_while_the_terminal_is_there_ends_the_search(start, tmp_path):
    terminal = Terminal()
    process = start(terminal.end, "local", "--controlling")
    assert eventually((tmp_path / "started").exists)
    process.send_signal(signal.SIGHUP)
    assert process.wait(100) == -signal.SIGHUP
    terminal.close()
    assert finished_trials(tmp_path)[0] == 0
