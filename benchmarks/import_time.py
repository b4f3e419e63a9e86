"""How long ``import retiarii`` takes next to ``import torch``, in fresh interpreters.

Prints one JSON line: medians in seconds and ratios to ``import torch``, measured in turns in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import version

STATEMENTS = {
    "torch": "import torch",
    "retiarii": "import retiarii",
    "retiarii with torch": "import retiarii, torch",
    "what a script imports": (
        "import retiarii.nn.pytorch as nn; from retiarii.strategy import Random; "
        "from retiarii.evaluator import FunctionalEvaluator; "
        "from retiarii.experiment.pytorch import RetiariiExeConfig, RetiariiExperiment"
    ),
    "what a search of a bare space imports": (
        "from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment, SearchSpace; "
        "from retiarii.strategy import Random"
    ),
}


def measure(statement: str) -> float:
    """Return the seconds that a statement takes in a new interpreter, which may keep byte code, as interpreters do."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    code = f"import time; start = time.perf_counter()\n{statement}\nprint(time.perf_counter() - start)"
    command = [sys.executable, "-c", code]
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Measure in turns, so that a busy moment of the machine hits all alike."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for statement in STATEMENTS.values():
        measure(statement)  # warm the file cache, and compile
    for _ in range(repeats):
        for name, statement in STATEMENTS.items():
            times[name].append(measure(statement))
    medians = {name: statistics.median(values) for name, values in times.items()}
    result = {
        "benchmark": "import_time",
        "median_s": {name: round(value, 4) for name, value in medians.items()},
        "ratio_to_torch": {name: round(value / medians["torch"], 3) for name, value in medians.items()},
        "repeats": repeats,
        "python": platform.python_version(),
        "torch": version("torch"),
        "retiarii": version("retiarii"),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
