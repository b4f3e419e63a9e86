"""A local search that looks at neighbours with short trainings, and trains on what was better than all before."""

from dataclasses import dataclass

from retiarii.errors import ConfigError, SpaceError
from retiarii.space import rng_for
from retiarii.strategy import Search, Strategy
from retiarii.trial import Direction, Fidelity, Proposal


@dataclass(frozen=True)
class ShortClimb(Strategy):
    short: int = 1
    long: int = 4
    jump_prob: float = 0.1
    patience: float = 0.5

    def __post_init__(self):
        if not 0 < self.short < self.long:
            raise ConfigError(f"ShortClimb(short={self.short}, long={self.long}): expected 0 < short < long.")

    @property
    def fidelities(self):
        return ("epochs",)

    def search(self, space, *, seed=0, objectives=Direction.MAXIMIZE):
        return ShortClimbSearch(self, space, seed=seed, objectives=objectives)


class ShortClimbSearch(Search):
    prunes = True

    def __init__(self, options, space, *, seed, objectives):
        super().__init__(space, seed=seed, objectives=objectives)
        self._options = options
        self._short, self._long = Fidelity(epochs=options.short), Fidelity(epochs=options.long)
        self._here = None
        self._to_train_on = {}

    @property
    def continuable(self):
        return self._to_train_on.keys()

    def forget_checkpoint(self, number):
        del self._to_train_on[number]

    def should_prune(self, trial):
        metric = self.objectives.primary.metric
        value = trial.intermediates[-1].get(metric)
        if self.best is None or trial.fidelity != self._long or value is None:
            return None
        loss, best = (self.direction.loss(number) for number in (value, self.best.metrics[metric]))
        return "far behind the best" if loss > best + self._options.patience else None

    def _propose(self, number):
        for parent, architecture in self._to_train_on.items():
            return Proposal(architecture, self._long, parent)
        return Proposal(self._step(rng_for(self.seed, number)), self._short)

    def _step(self, rng):
        if self._here is not None and rng.random() >= self._options.jump_prob:
            try:
                return self.space.mutate(self._here[1], rng)
            except SpaceError:
                pass
        return self.space.sample(rng)

    def _on_ask(self, proposal):
        if proposal.parent is not None:
            del self._to_train_on[proposal.parent]

    def _on_tell(self, trial):
        fitness = self.fitness(trial)
        if fitness is None or trial.fidelity != self._short:
            return
        if self._here is None or fitness > self._here[0]:
            self._here = fitness, trial.architecture
            self._to_train_on[trial.number] = trial.architecture
