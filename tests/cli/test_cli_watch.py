"""``retiarii show --watch``: a live view of an experiment that another process runs."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from retiarii.cli._watch_view import sparkline, view
from retiarii.cli._watched import ExperimentWatch
from retiarii.space import SearchSpace
from retiarii.storage import EpochRecord, ExperimentState
from retiarii.terminal import SafeConsole

RETIARII = [sys.executable, "-m", "retiarii"]


class Terminal:
    """A command on a pseudo-terminal of 72 columns."""

    def __init__(self, *arguments):
        self.text = ""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 72, 0, 0))
            environment = {**os.environ, "TERM": "xterm-256color"}
            environment.pop("COLUMNS", None)
            os.execve(sys.executable, [*RETIARII, *arguments], environment)

    def wait_for(self, *texts):
        until = time.monotonic() + 60
        while not all(text in self.text for text in texts):
            assert time.monotonic() < until, self.text
            assert self._read(), self.text

    def press(self, keys):
        os.write(self._fd, keys)

    def close(self):
        """Read to the end; return the exit code."""
        while self._read():
            pass
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self):
        select.select([self._fd], [], [], 60)
        try:
            new = os.read(self._fd, 65536)
        except OSError:  # the other side was closed
            return False
        self.text += new.decode(errors="replace")
        return bool(new)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # it executes at once
def test_a_search_of_another_process_is_followed_and_goes_on_after_ctrl_c(tmp_path):
    gate = tmp_path / "gate"
    script = Path(__file__).with_name("watched_script.py")
    search = subprocess.Popen([sys.executable, str(script), str(gate)], stdout=subprocess.PIPE, text=True)
    experiment = search.stdout.readline().strip()
    terminal = Terminal("show", experiment, "--watch")
    terminal.wait_for(
        "5/7 trials", "▁▃▆█", "[bold]width=5", "ValueError: a bad <width> \\x1b[31m", "Ctrl-C ends this view"
    )
    terminal.press(b"\x03")
    assert terminal.close() == 0
    piped = subprocess.Popen([*RETIARII, "show", experiment, "--watch"], stdout=subprocess.PIPE, text=True)
    first = piped.stdout.readline()
    assert "my search: 5/7 trials, best 4.0000 (trial 4), 1 running, 1 failed" in first
    assert search.poll() is None
    gate.touch()
    rest = piped.communicate(timeout=60)[0].splitlines()
    assert "7/7 trials, best 6.0000 (trial 6), 1 failed" in rest[-2]
    assert rest[-1] == "Done: max_trial_number was reached."
    assert "\x1b" not in first + "".join(rest)
    assert (piped.returncode, search.communicate()[0], search.returncode) == (0, "", 0)


def test_a_killed_experiment_ends_the_view_with_the_command_that_resumes_it(run, store):
    store.update_experiment("bb22", updated=time.time() - 60)
    outcome = run("show", "bb22", "--watch")
    assert outcome.code == 1
    assert "Its process ended unexpectedly (killed?). Go on with: retiarii resume bb22" in outcome.out


def test_an_experiment_that_has_ended_is_shown_once(run, store):
    store.update_experiment("aa11", message="max_trial_number was reached")
    outcome = run("show", "aa11", "--watch")
    assert outcome.code == 0
    assert "[b]aa11: 4 trials, best 0.7500 (trial 1), 2 failed" in outcome.out
    assert "Done: max_trial_number was reached." in outcome.out


def test_json_and_one_trial_cannot_be_watched(run, store):
    assert "--watch does not go with --json" in run("show", "aa11", "--watch", "--json").err
    assert "--watch does not go with --trial" in run("show", "aa11", "--watch", "--trial", "0").err


def shown(store, experiment, width):
    console = SafeConsole(width=width, force_terminal=False)
    with console.capture() as captured:
        console.print(view(ExperimentWatch(store, experiment).look(), "retiarii resume X"))
    return captured.get()


def test_a_narrow_terminal_cuts_lines_instead_of_numbers(store):
    store.update_experiment("aa11", state=ExperimentState.STOPPED, message="it was asked to stop")
    text = shown(store, "aa11", 40)
    rows = text[text.index("Ended last") : text.index("Failures")].splitlines()[2:]
    assert [row.split()[:3] for row in rows if row] == [
        ["1", "completed", "0.7500"], ["0", "completed", "0.5000"],
    ]  # fmt: skip
    assert max(map(len, text.splitlines())) <= 40
    assert "Go on with: retiarii resume X" in " ".join(text.split())


def test_the_epochs_of_a_supernet_are_shown(store):
    record = {
        "probabilities": {"op": {'"conv"': 0.9, '"pool"': 0.1}},
        "entropy": {"op": 0.3},
        "max_entropy": {"op": 0.7},
    }
    store.update_experiment("bb22", space=SearchSpace([]).to_json())
    for number in range(2):
        store.write_epoch("bb22", EpochRecord(number, record, {"default": 0.5 + number / 10}))
    text = shown(store, "bb22", 100)
    assert "2 epochs" in text
    assert "conv 0.900" in text


def test_a_curve_fits_on_a_line():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([3, 3]) == "▁▁"
    assert sparkline([]) == ""
    assert len(sparkline(list(range(1000)), 24)) == 24
    assert sparkline(list(range(1000)), 24)[-1] == "█"
