"""The program that runs one trial; see lines_executor.py."""

import base64
import json
import os
import pickle
import sys
import threading


def main():
    # What the trial prints must not get between the messages, and it must not read them.
    messages = os.fdopen(os.dup(1), "w")
    orders = os.fdopen(os.dup(0))
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    order = json.loads(orders.readline())
    sys.path[:] = order["path"]
    from retiarii.errors import TrialPruned
    from retiarii.execution import TrialJob, run_task

    lock = threading.Lock()  # a trial may report from several threads

    def tell(message):
        messages.write(json.dumps(message) + "\n")
        messages.flush()

    def report(metrics):
        with lock:
            tell({"metrics": metrics})
            reason = json.loads(orders.readline())["reason"] if job.is_judged else None
        if reason is not None:
            raise TrialPruned(reason)

    job = TrialJob.from_json(order["job"])
    task = pickle.loads(base64.b64decode(order["task"]))
    tell({"outcome": run_task(task, job, report).to_json()})


if __name__ == "__main__":
    main()
