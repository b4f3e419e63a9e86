"""Fork scripts from an interpreter that has the imports done, so that many processes can be killed in little time.

Reads one JSON object a line: ``{"script": ..., "argv": [...], "environment": {...}, "stderr": path}`` starts a process
and answers its pid; ``{"wait": pid}`` answers its exit code, or minus the number of the signal that killed it.
"""

import json
import os
import runpy
import sys
import traceback

import retiarii.experiment.pytorch  # noqa: F401 - this is what takes long


def run(order):
    os.setsid()
    log = os.open(order["stderr"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    null = os.open(os.devnull, os.O_RDWR)
    for target, source in enumerate((null, null, log)):
        os.dup2(source, target)
    os.environ.update(order["environment"])
    sys.argv = [order["script"], *order["argv"]]
    try:
        runpy.run_path(order["script"], run_name="__main__")
    except BaseException:  # noqa: BLE001 - what an interpreter does at its end
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def main():
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        elif (answer := os.fork()) == 0:
            run(order)
        print(answer, flush=True)


main()
