"""Processes that tests kill, and what they look at afterwards."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psutil

from retiarii.storage import open_store

HERE = Path(__file__).parent


class Process:
    """A script that was forked from an interpreter with the imports done; it leads a process group."""

    def __init__(self, zygote, order):
        self._zygote = zygote
        self._code = None
        self._stderr = Path(order["stderr"])
        self.pid = self._tell(order)

    def _tell(self, order):
        self._zygote.stdin.write(json.dumps(order) + "\n")
        self._zygote.stdin.flush()
        return int(self._zygote.stdout.readline())

    def kill(self, number):
        os.kill(self.pid, number)

    def kill_group(self):
        os.killpg(self.pid, signal.SIGKILL)

    @property
    def is_alive(self):
        """Whether it runs; one that has ended stays a zombie until `wait`."""
        return psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE

    def wait(self):
        if self._code is None:
            self._code = self._tell({"wait": self.pid})
        return self._code

    @property
    def errors(self):
        return self._stderr.read_text()

    def finish(self):
        assert self.wait() == 0, self.errors


@contextmanager
def starting(script):
    """Give a function ``(store, sentinel, *action, **settings)`` that starts a script beside this file.

    The settings are in the environment of the process, ``concurrency=2`` as ``TEST_CONCURRENCY=2``.
    """
    zygote = subprocess.Popen(
        [sys.executable, str(HERE / "zygote.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def begin(store, sentinel, *action, **settings):
        marked = {"mark": sentinel, **settings}
        environment = {**os.environ, **{f"TEST_{name.upper()}": str(value) for name, value in marked.items()}}
        order = {
            "script": str(HERE / script),
            "argv": [str(store), str(sentinel), *action],
            "environment": environment,
            "stderr": f"{sentinel}.log",
        }
        return Process(zygote, order)

    with zygote:
        yield begin
        zygote.stdin.close()


def wait_until(condition, deadline_s=60.0, pause_s=0.01):
    deadline = time.monotonic() + deadline_s
    while not (result := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(pause_s)
    return result


def left_behind(sentinel):
    """Return living processes that descend from the experiment, by the mark in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TEST_MARK") == str(sentinel) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def stored_trials(store_path):
    """Return all trials of the only experiment of a store; none where it has not begun."""
    if not Path(store_path).exists():
        return []
    with open_store(store_path) as store:
        records = store.list_experiments()
        return store.list_trials(records[0].id) if records else []


def kept(store_path):
    """Return which trials have files."""
    with open_store(store_path) as store:
        [record] = store.list_experiments()
        return store.trial_files(record.id).numbers()
