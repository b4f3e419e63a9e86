"""Multi-trial search strategies, which choose the next architectures to evaluate.

A `Strategy` is a recipe (`Random`, `GridSearch`, `RegularizedEvolution`, `GenerationalEvolution`, `NSGA2`,
`PolicyBasedRL`, `ASHA`, `Hyperband`, `MedianStop`, `Given`); ``strategy.search(space)`` starts a `Search`.
A search proposes architectures with their fidelities (`Search.ask`) and learns from their results (`Search.tell`) until
it raises `SearchExhausted`. An experiment runs this loop with trials in isolated processes. You can also write the loop
yourself:

    >>> from retiarii.space import Categorical, Integer, SearchSpace
    >>> from retiarii.strategy import RegularizedEvolution
    >>> space = SearchSpace([Categorical("op", ("conv", "pool", "skip")), Integer("width", 1, 64)])
    >>> search = RegularizedEvolution(population_size=10, sample_size=5, cycles=200).search(space, seed=0)
    >>> for proposal in search:
    ...     architecture = proposal.architecture
    ...     trial = search.tell_metric(proposal, architecture["width"] * (architecture["op"] == "conv"))
    >>> search.best.architecture
    Architecture({'op': 'conv', 'width': 64})

With several trials at a time, call `Search.ask` for as many proposals as there are free workers and `Search.tell` for
each `Trial` when it ends. The same seed and the same results give the same proposals, also after `Search.replay`. This
room neither builds models nor evaluates them. Torch is imported by searches of `PolicyBasedRL` only, when they start.

One-shot strategies (`DARTS`, `ENAS`, `RandomOneShot`, ...) are used in the same way in an experiment. They are defined
in `retiarii.oneshot`, which imports torch; `BaseStrategy` is the base of both kinds. Each strategy is imported when it
is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retiarii._lazy import lazy_attributes

if TYPE_CHECKING:
    from retiarii.oneshot import DARTS, ENAS, PCDARTS, DrNAS, GumbelDARTS, OneShotStrategy, Proxyless, RandomOneShot
    from retiarii.strategy._asha import ASHA, ASHASearch
    from retiarii.strategy._evolution import EvolutionSearch, RegularizedEvolution
    from retiarii.strategy._generational import GenerationalEvolution, GenerationalSearch
    from retiarii.strategy._given import Given, GivenSearch
    from retiarii.strategy._grid import GridEnumeration, GridSearch
    from retiarii.strategy._hyperband import Hyperband, HyperbandSearch
    from retiarii.strategy._median_stop import MedianStop, MedianStopSearch
    from retiarii.strategy._nsga2 import NSGA2, NSGA2Search
    from retiarii.strategy._policy_based_rl import PolicyBasedRL
    from retiarii.strategy._random import Random, RandomSearch
    from retiarii.strategy._reinforcement.policy_search import PolicySearch
    from retiarii.strategy._wrapper import SearchWrapper
    from retiarii.strategy.multi_trial import Strategy
    from retiarii.strategy.search import Search
    from retiarii.trial import BaseStrategy

__all__ = [
    "ASHA",
    "DARTS",
    "ENAS",
    "NSGA2",
    "PCDARTS",
    "ASHASearch",
    "BaseStrategy",
    "DrNAS",
    "EvolutionSearch",
    "GenerationalEvolution",
    "GenerationalSearch",
    "Given",
    "GivenSearch",
    "GridEnumeration",
    "GridSearch",
    "GumbelDARTS",
    "Hyperband",
    "HyperbandSearch",
    "MedianStop",
    "MedianStopSearch",
    "NSGA2Search",
    "OneShotStrategy",
    "PolicyBasedRL",
    "PolicySearch",
    "Proxyless",
    "Random",
    "RandomOneShot",
    "RandomSearch",
    "RegularizedEvolution",
    "Search",
    "SearchWrapper",
    "Strategy",
]

_EXPORTS = {
    "ASHA": "retiarii.strategy._asha",
    "DARTS": "retiarii.oneshot",
    "ENAS": "retiarii.oneshot",
    "NSGA2": "retiarii.strategy._nsga2",
    "PCDARTS": "retiarii.oneshot",
    "ASHASearch": "retiarii.strategy._asha",
    "BaseStrategy": "retiarii.trial",
    "DrNAS": "retiarii.oneshot",
    "EvolutionSearch": "retiarii.strategy._evolution",
    "GenerationalEvolution": "retiarii.strategy._generational",
    "GenerationalSearch": "retiarii.strategy._generational",
    "Given": "retiarii.strategy._given",
    "GivenSearch": "retiarii.strategy._given",
    "GridEnumeration": "retiarii.strategy._grid",
    "GridSearch": "retiarii.strategy._grid",
    "GumbelDARTS": "retiarii.oneshot",
    "Hyperband": "retiarii.strategy._hyperband",
    "HyperbandSearch": "retiarii.strategy._hyperband",
    "MedianStop": "retiarii.strategy._median_stop",
    "MedianStopSearch": "retiarii.strategy._median_stop",
    "NSGA2Search": "retiarii.strategy._nsga2",
    "OneShotStrategy": "retiarii.oneshot",
    "PolicyBasedRL": "retiarii.strategy._policy_based_rl",
    "PolicySearch": "retiarii.strategy._reinforcement.policy_search",
    "Proxyless": "retiarii.oneshot",
    "Random": "retiarii.strategy._random",
    "RandomOneShot": "retiarii.oneshot",
    "RandomSearch": "retiarii.strategy._random",
    "RegularizedEvolution": "retiarii.strategy._evolution",
    "Search": "retiarii.strategy.search",
    "SearchWrapper": "retiarii.strategy._wrapper",
    "Strategy": "retiarii.strategy.multi_trial",
}

__getattr__, __dir__ = lazy_attributes(__name__, _EXPORTS)
