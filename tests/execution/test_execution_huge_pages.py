import subprocess
import sys
import textwrap

import pytest

from retiarii.execution import TemplateExecutor
from retiarii.execution._template import template_main
from retiarii.testing._acts import job_for, perform
from retiarii.testing.execution import ending, watch
from retiarii.trial import TrialState

SOURCE = """
    import ctypes, errno, sys
    from retiarii.execution._system.huge_pages import HugePages
    from retiarii.execution._system.processes import libc

    def on_huge_pages():
        lines = open("/proc/self/smaps").read().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("AnonHugePages:"))

    things = [str(number) * 5 for number in range(400_000)]
    before, expected = on_huge_pages(), hash(tuple(things))
    HugePages().collapse(60.0)
    assert hash(tuple(things)) == expected
    ctypes.set_errno(0)
    libc().madvise(None, ctypes.c_size_t(0), 25)
    print("refused" if ctypes.get_errno() == errno.EINVAL else on_huge_pages() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux collapses pages on request")
def test_memory_moves_to_huge_pages_and_holds_what_it_held():
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(SOURCE)], capture_output=True, text=True, check=True)
    if done.stdout.strip() == "refused":
        pytest.skip("this kernel collapses no pages on request")
    assert int(done.stdout) >= 10 * 1024  # KiB


def test_trials_before_and_after_the_template_moves_to_huge_pages_are_the_same():
    numbers = range(template_main._MANY + 5)
    with TemplateExecutor(perform, slots=2) as executor:
        for number in numbers:
            executor.submit(job_for("draw" if number % 2 else "succeed", number))
        heard = watch(executor, numbers)
    assert {ending(heard, number).state for number in numbers} == {TrialState.COMPLETED}
