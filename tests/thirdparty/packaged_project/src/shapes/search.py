"""Search: ``python -m shapes.search``."""

import json
import sys

import retiarii.nn.pytorch as nn
from retiarii import RetiariiExeConfig, RetiariiExperiment, fixed_arch
from retiarii.strategy import RegularizedEvolution

from .evaluation import Accuracy
from .model import LineNet


def main() -> None:
    evaluator = Accuracy(nn.ValueChoice([0.001, 0.01], label="learning_rate"))
    experiment = RetiariiExperiment(LineNet(), evaluator, [], RegularizedEvolution(population_size=3, sample_size=2))
    config = RetiariiExeConfig("local", trial_concurrency=2, max_trial_number=4, seed=0)
    config.experiment_name = "lines"
    experiment.run(config)
    [best] = experiment.export_top_models(formatter="dict")
    with fixed_arch(best):
        network = LineNet()
    json.dump({"architecture": best, "layers": [name for name, _ in network.named_children()]}, sys.stdout)


if __name__ == "__main__":
    main()
