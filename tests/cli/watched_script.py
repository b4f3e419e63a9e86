"""A small search, in a process of its own; its sixth trial waits for a file."""

import sys
import time
from pathlib import Path

from retiarii.experiment import Callback, RetiariiExeConfig, RetiariiExperiment
from retiarii.space import Integer, SearchSpace
from retiarii.strategy import GridSearch

gate = Path(sys.argv[1])


def evaluate(architecture, context):
    width = architecture["[bold]width"]
    context.report({"default": width / 2})
    if width == 2:
        raise ValueError("a bad <width> \x1b[31m")
    while width == 5 and not gate.exists():
        time.sleep(0.02)
    return width


class SaysThatItIsStored(Callback):
    def on_run_start(self, experiment):
        print(experiment.id, flush=True)


space = SearchSpace([Integer("[bold]width", 0, 7)])
search = RetiariiExperiment(space, evaluate, [], GridSearch(shuffle=False), callbacks=[SaysThatItIsStored()])
search.run(RetiariiExeConfig("in_process", max_trial_number=7, experiment_name="my search", progress=False))
