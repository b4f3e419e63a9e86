"""Writes ``search_N.sql``, a search that died in the middle, and ``search_N.json``, what it would have proposed.

Run it once with the code of each version, ``python search.py N``, and keep what it wrote.
"""

import contextlib
import json
import os
import socket
import sqlite3
import sys
import tempfile
from pathlib import Path

import retiarii.nn.pytorch as nn
from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment
from retiarii.storage import open_store
from retiarii.strategy import RegularizedEvolution

TRIALS = 32
DIES_AT = 25  # when the population is full, and parents are chosen by what is in the store


def evaluate(model):
    if os.environ.get("DIES") and next(DONE) == DIES_AT:
        os._exit(1)
    return float(-((model.in_features - 5) ** 2) - (model.out_features - 3) ** 2)


DONE = iter(range(TRIALS))


def run(path):
    width = list(range(1, 9))
    model = nn.Linear(nn.ValueChoice(width, label="rows"), nn.ValueChoice(width, label="columns"))
    strategy = RegularizedEvolution(population_size=8, sample_size=3, cycles=TRIALS)
    config = RetiariiExeConfig("in_process", max_trial_number=TRIALS, seed=11, storage=path, progress=False)
    RetiariiExperiment(model, FunctionalEvaluator(evaluate), [], strategy).run(config)


def main(version):
    socket.gethostname = lambda: "host"
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        died, whole = Path(folder) / "died.db", Path(folder) / "whole.db"
        if (child := os.fork()) == 0:
            os.environ["DIES"] = "1"
            run(died)
        os.waitpid(child, 0)
        with contextlib.closing(sqlite3.connect(died)) as connection:
            here.joinpath(f"search_{version}.sql").write_text("\n".join(connection.iterdump()) + "\n")
        run(whole)
        with open_store(whole) as store:
            [record] = store.list_experiments()
            architectures = [dict(trial.architecture) for trial in store.list_trials(record.id)]
        lines = ",\n".join(json.dumps(architecture) for architecture in architectures)
        here.joinpath(f"search_{version}.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
