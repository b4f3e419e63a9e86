"""The time that a trial adds to the command that it runs.

- ``command_ms``: the command by itself, a Python interpreter that does nothing.
- ``trial_ms``: a whole experiment per trial, one at a time after the first one ended: the command runs in an isolated
  process, reads its parameters, and reports one intermediate and one final result.
- ``beyond_ms``: the difference.

Prints one JSON line; medians over the repeats.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from retiarii import CommandEvaluator, RetiariiExeConfig, RetiariiExperiment, SearchSpace
from retiarii.space import Float
from retiarii.strategy import Random

# As a program in any language would, without importing this package.
SCRIPT = """
import json, os, socket

def ask(**request):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ["RETIARII_TRIAL"])
        connection.sendall(json.dumps(request).encode() + b"\\n")
        return json.loads(connection.makefile().readline())

if "RETIARII_TRIAL" in os.environ:
    x = ask(parameters=None)["parameters"]["x"]
    ask(intermediate={"default": 0.0})
    ask(final={"default": x})
"""


def trial_ms(folder: Path, trials: int) -> float:
    """Return the milliseconds of each trial after the first one."""
    evaluator = CommandEvaluator([sys.executable, "script.py"], folder)
    experiment = RetiariiExperiment(SearchSpace([Float("x", 0.0, 1.0)]), evaluator, strategy=Random())
    config = RetiariiExeConfig(max_trial_number=trials, seed=0, progress=False)
    config.storage = folder / "store.db"
    experiment.run(config)
    ends = sorted(trial.ended for trial in experiment.trials() if trial.ended is not None)
    assert len(ends) == trials
    return (ends[-1] - ends[0]) / (trials - 1) * 1e3


def command_ms(folder: Path, runs: int) -> float:
    """Return the milliseconds of the command by itself."""
    start = time.perf_counter()
    for _ in range(runs):
        subprocess.run([sys.executable, "script.py"], cwd=folder, check=True)
    return (time.perf_counter() - start) / runs * 1e3


def main() -> None:
    """Measure in turns and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=31)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    alone, in_trials = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "script.py").write_text(SCRIPT)
        for _ in range(options.repeats):
            alone.append(command_ms(folder, options.trials))
            in_trials.append(trial_ms(folder, options.trials))
    result = {
        "benchmark": "command",
        "command_ms": round(statistics.median(alone), 1),
        "trial_ms": round(statistics.median(in_trials), 1),
        "beyond_ms": round(statistics.median(in_trials) - statistics.median(alone), 1),
        "trials": options.trials,
        "repeats": options.repeats,
        "seed": 0,
        "python": platform.python_version(),
        "retiarii": version("retiarii"),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
