"""The classic way: search spaces and settings in files, trials that are commands, tuners.

`ParameterSpace` reads the search-space files of NNI. `read_config` reads a configuration file of NNI 1.x or 2.x, and
``retiarii create --config config.yml`` runs its experiment, whose trials are a command of the user's. A `Tuner`
proposes parameters: `TunerStrategy` makes a strategy of a user's tuner, `StrategyTuner` a tuner of any strategy.
Evaluators, executors and stores are those of every other experiment.
"""

from retiarii.classic._builtin_tuners import EvolutionTuner, PPOTuner, RandomTuner
from retiarii.classic._config_file import CommandConfig, read_config
from retiarii.classic._generated_space import generate_search_space
from retiarii.classic._parameter_space import ParameterSpace
from retiarii.classic._tuner import NoMoreTrialError, Tuner
from retiarii.classic._tuner_strategy import StrategyTuner, TunerStrategy

__all__ = [
    "CommandConfig",
    "EvolutionTuner",
    "NoMoreTrialError",
    "PPOTuner",
    "ParameterSpace",
    "RandomTuner",
    "StrategyTuner",
    "Tuner",
    "TunerStrategy",
    "generate_search_space",
    "read_config",
]
