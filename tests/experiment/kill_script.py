"""Run (or resume) a small deterministic experiment; the tests kill this process at random instants.

Usage: kill_script.py STORE SENTINEL run|resume [ID [SECONDS]]
"""

import os
import sys
import time
from pathlib import Path

import retiarii.nn.pytorch as nn
from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment, save_checkpoint
from retiarii.strategy import RegularizedEvolution

STORE, SENTINEL, ACTION = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
CONCURRENCY, TRIALS, SLOW_AFTER = (int(os.environ[f"TEST_{name}"]) for name in ("CONCURRENCY", "TRIALS", "SLOW_AFTER"))


def evaluate(model):
    with open(SENTINEL, "a+") as file:  # one line for each evaluation that came to its end
        file.seek(0)
        is_slow = len(file.readlines()) >= SLOW_AFTER
        width, depth = model[0].out_features, len(model[1])
        save_checkpoint(model)
        time.sleep(60 if is_slow else 0.02)
        metric = -abs(width - 24) - abs(depth - 3) / 10
        file.write(f"{os.getpid()} {metric}\n")
    return metric


def main():
    if ACTION == "resume":
        limit = {"max_experiment_duration": float(sys.argv[5])} if sys.argv[5:] else {}
        RetiariiExperiment.resume(sys.argv[4], storage=STORE, **limit)
        return
    width = nn.ValueChoice(list(range(8, 40, 2)), label="width")
    model = nn.Sequential(
        nn.Linear(4, width), nn.Repeat(lambda index: nn.Linear(width, width), (1, 4), label="depth"), nn.ReLU()
    )
    strategy = RegularizedEvolution(population_size=10, sample_size=3)
    experiment = RetiariiExperiment(model, FunctionalEvaluator(evaluate), [], strategy)
    config = RetiariiExeConfig("local", trial_concurrency=CONCURRENCY, max_trial_number=TRIALS, seed=3)
    config.storage = STORE
    experiment.run(config)


main()
