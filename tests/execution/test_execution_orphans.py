"""No process that a trial started is left, whichever process of the experiment is killed or stopped."""

import os
import signal
import subprocess
import sys
import textwrap

import psutil
import pytest

from retiarii.execution import TemplateExecutor
from retiarii.execution._template import template_process
from retiarii.testing._acts import job_for, litter, perform
from retiarii.testing.execution import PATIENCE_S, eventually, is_running, listen, pids_in, watch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who the orphans below a process are")

SCRIPT = """
    import os, signal, sys
    import psutil
    from retiarii.execution import TemplateExecutor, TrialEnded
    from retiarii.testing._acts import job_for, perform
    from retiarii.testing.execution import listen, pids_in

    if "ignore" in sys.argv:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    executor = TemplateExecutor(perform)
    executor.submit(job_for("litter_and_hang"))
    pids = []
    while len(pids) < 4:
        pids += pids_in(listen(executor))
    guardian = next(process for process in psutil.Process().children() if process.children())
    print(guardian.pid, guardian.children()[0].pid, *pids, flush=True)
    if "ignore" in sys.argv:
        (ended,) = [event for event in executor.poll() if isinstance(event, TrialEnded)]
        print(ended.failure.message, flush=True)
        executor.submit(job_for("litter_and_hang", 1))
        while len(pids) < 8:
            pids += pids_in(listen(executor))
        print(*pids, flush=True)
        executor.close()
        print("closed", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def start(tmp_path):
    """Starts the script; kills it in the end."""
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    started = []

    def start(*arguments):
        command = [sys.executable, str(tmp_path / "script.py"), *arguments]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, *(int(word) for word in process.stdout.readline().split())

    yield start
    for process in started:
        process.kill()
        process.communicate()


def all_gone(pids):
    return eventually(lambda: not any(is_running(pid) for pid in pids))


@pytest.mark.parametrize("victims", [("manager", "template"), ("manager", "guardian")])
def test_nothing_survives_the_death_of_two_at_the_same_instant(start, victims):
    manager, guardian, template, *pids = start()
    assert all(is_running(pid) for pid in pids)
    for victim in victims:
        os.kill({"manager": manager.pid, "template": template, "guardian": guardian}[victim], signal.SIGKILL)
    assert all_gone([guardian, template, *pids])


@pytest.mark.parametrize(
    ("stopped", "killed"),
    [
        (["template"], ["manager"]),
        (["template"], ["manager", "guardian"]),
        (["guardian"], ["manager"]),
        (["guardian", "template"], ["manager"]),
    ],
)
def test_who_is_stopped_does_not_outlive_the_experiment(start, stopped, killed):
    manager, guardian, template, *pids = start()
    numbers = {"manager": manager.pid, "template": template, "guardian": guardian}
    for name in stopped:
        os.kill(numbers[name], signal.SIGSTOP)
    for name in killed:
        os.kill(numbers[name], signal.SIGKILL)
    assert all_gone([guardian, template, *pids])


def test_whoever_ignores_its_children_leaves_nothing_behind_either(start):
    manager, guardian, template, *pids = start("ignore")
    os.kill(template, signal.SIGKILL)
    assert "was killed by SIGKILL" in manager.stdout.readline()
    assert all_gone([guardian, template, *pids])
    while not (line := manager.stdout.readline())[:1].isdigit():  # the last of what the template printed
        assert line
    pids = [int(word) for word in line.split()]
    assert manager.stdout.readline() == "closed\n"
    assert not any(is_running(pid) for pid in pids)


def ignore_children(job, report):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    return litter(job, report)


def test_a_trial_that_ignores_its_children_leaves_nothing_behind_either():
    with TemplateExecutor(ignore_children) as executor:
        executor.submit(job_for("any"))
        pids = pids_in(watch(executor, [0]))
        assert len(pids) == 4
        assert all_gone(pids)


def test_closing_ends_a_template_that_is_stopped(monkeypatch):
    monkeypatch.setattr(template_process, "CLOSE_S", 0.5)
    before = {child.pid for child in psutil.Process().children()}
    with TemplateExecutor(perform) as executor:
        executor.submit(job_for("litter_and_hang"))
        pids = []
        while len(pids) < 4:
            pids += pids_in(listen(executor, PATIENCE_S))
        (guardian,) = [child for child in psutil.Process().children() if child.pid not in before]
        (template,) = guardian.children()
        template.suspend()
    assert all_gone([guardian.pid, template.pid, *pids])
