"""Run a simulated experiment of thousands of trials; tests kill this process: ``simulated_script.py STORE``."""

import sys
import time

from retiarii import Evaluator, RetiariiExeConfig, RetiariiExperiment, strategy
from retiarii.evaluator import Simulated
from retiarii.space import Float, SearchSpace

SPACE = SearchSpace([Float("quality", 0, 1)])
SEARCH = strategy.MedianStop(strategy.RegularizedEvolution(population_size=20, sample_size=5), min_trials=5)
NUM_TRIALS = 2000


class Timed(Evaluator, Simulated):
    """Takes between ten minutes and an hour; reports four times on the way."""

    fidelities = None

    def evaluate(self, model, context):
        for step in range(4):
            context.report(model["quality"] * (0.5 + step / 10))
        return model["quality"]

    def seconds(self, model, context):
        return 600 + 3000 * (model["quality"] * 997 % 1)


def settings(store):
    return RetiariiExeConfig(
        "simulated", trial_concurrency=8, max_trial_number=NUM_TRIALS, seed=1, progress=False, storage=store
    )


class Slow(Timed):
    """Gives a test on a busy machine the time to kill the search."""

    def evaluate(self, model, context):
        time.sleep(0.003)
        return super().evaluate(model, context)


if __name__ == "__main__":
    RetiariiExperiment(SPACE, Slow(), strategy=SEARCH).run(settings(sys.argv[1]))
