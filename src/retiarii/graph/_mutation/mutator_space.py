"""`mutator_space`: the search space of a model and its mutators, whose labels may depend on earlier choices."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

from retiarii._counted import counted
from retiarii.errors import ArchitectureError, SpaceError
from retiarii.graph._mutation.mutator import Mutator
from retiarii.graph._mutation.mutator_run import Decide, Run, from_architecture
from retiarii.space import Architecture, ArchitectureSet, Categorical, Choice, SearchSpace, Value, rng_for

MAX_COUNTED = 2_000
MAX_COUNTED_NETWORKS = 64
_PROBES = 200
_RANDOM_PROBES = 8


class MutatorRunner(Protocol):
    """A model and mutators, as `GraphEngine` has them."""

    @property
    def mutators(self) -> Sequence[Mutator]:
        """The mutators, in the order in which they run."""

    @property
    def inline_space(self) -> SearchSpace:
        """The choices that are written into the model."""

    def run(self, architecture: Mapping[str, Any], decide: Decide) -> Run:
        """Run the mutators on the network of an architecture of `inline_space`."""


def mutator_space(engine: MutatorRunner, *, stationary: bool | None = None) -> SearchSpace:
    """Return the space that a model and its mutators span.

    Args:
        engine: The model and the mutators.
        stationary: Whether the mutators always make the same choices. None finds out: the mutators run with first
            candidates everywhere, with every single deviation from that (at most 200), and with 8 random draws. If all
            of these runs make the same choices, the labels of the space are fixed; an architecture that turns out to
            have other choices later fails with a message that says so. Otherwise, the architectures are
            `MutatorArchitectures`.

    Raises:
        GraphError: The model cannot be traced.
    """
    inline = engine.inline_space
    found = MutatorArchitectures(engine, inline)
    if stationary is False or (stationary is None and not _is_stationary(found)):
        return SearchSpace.of(found, inline.constraints)
    return inline.merge(SearchSpace(found.met_by_default))


def _is_stationary(found: MutatorArchitectures) -> bool:
    default = found.default()
    rngs = (rng_for(0, number) for number in range(_RANDOM_PROBES))
    probes = itertools.chain(itertools.islice(found.dynamic_neighbours(default), _PROBES), map(found.sample_run, rngs))
    return all(_agrees(run, found.met_by_default) for run in probes)


def _agrees(run: Run, expected: Sequence[Categorical]) -> bool:
    """Return whether a run met the expected choices; an invalid mutation ends early and proves nothing."""
    met = run.choices
    wanted = expected[: len(met)] if run.error is not None else expected
    return list(met) == list(wanted)


class MutatorArchitectures(ArchitectureSet):
    """The architectures of a model and mutators whose later choices depend on earlier ones.

    Every operation runs the mutators again, which costs a few milliseconds. Decisions are kept if their labels and
    candidates still exist, and are drawn again otherwise. If a mutator raises `InvalidMutation`, the architecture has
    the labels of the choices up to there; its trial fails.

    `choices` has the choices in the model and those that the mutators make with first candidates everywhere. Only
    running the mutators shows how many architectures there are, so `size` is exact if there are at most 2,000 (of at
    most 64 architectures of the model's own choices, each of which has to be traced), and ``math.inf`` otherwise.

    Args:
        engine: The model and the mutators.
        static: The choices that do not come from mutators.

    Attributes:
        met_by_default: The choices that the mutators make with first candidates everywhere.
    """

    has_fixed_labels = False

    def __init__(self, engine: MutatorRunner, static: SearchSpace) -> None:
        self._engine = engine
        # The mutators need a network, and the model cannot be built if the constraints of its own parts are not met.
        self._static = SearchSpace(static.choices, engine.inline_space.constraints)
        self.met_by_default: list[Categorical] = engine.run(self._static.default(), Categorical.default).choices

    def __repr__(self) -> str:
        labels, mutators = counted(len(self._static), "label"), counted(len(self._engine.mutators), "mutator")
        return f"{labels} in the model, {mutators}"

    def __getstate__(self) -> dict[str, Any]:
        return {"_engine": self._engine, "_static": self._static, "met_by_default": self.met_by_default}

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The choices in the model, and those that the mutators make with first candidates everywhere."""
        return (*self._static.choices, *self.met_by_default)

    def summary(self) -> str:
        """Return the number of labels and the size, as text."""
        size = f"{self.size:,}" if self._counted else "too many to count"
        labels = counted(len(self.choices), "label")
        return f"{labels} with first candidates, others depend on what is chosen; architectures: {size}"

    # Single architectures.

    def default(self) -> Architecture:
        """Return the architecture of first candidates."""
        return self._architecture(self._static.default(), Categorical.default)

    def architecture(self, raw: Mapping[str, Any]) -> Architecture:
        """Check that an architecture has known labels and valid values, and return its canonical form."""
        static = self._static.architecture({label: value for label, value in raw.items() if label in self._static})
        labels = tuple(f"{mutator.label}/" for mutator in self._engine.mutators)
        unknown = next((x for x in raw if x not in self._static and not str(x).startswith(labels)), None)
        if unknown is not None:
            raise ArchitectureError(
                f"The architecture has a value for {unknown!r}, which is a label neither of the model nor of a mutator "
                f"({', '.join(map(repr, labels))}...).",
                label=str(unknown),
                got=raw[unknown],
            )
        return self._architecture(static, from_architecture(raw, "Add it."))

    @cached_property
    def _counted(self) -> list[Architecture]:
        """All architectures if they can be counted; else empty."""
        if self._static.size > MAX_COUNTED_NETWORKS:
            return []
        found = list(itertools.islice(self.every(), MAX_COUNTED + 1))
        return found if len(found) <= MAX_COUNTED else []

    @property
    def size(self) -> int | float:
        """The exact number of architectures; ``math.inf`` above the limits. The first call runs all of them."""
        return len(self._counted) or math.inf

    @property
    def is_counted(self) -> bool:
        """Whether `size` is exact."""
        return bool(self._counted)

    @property
    def estimated_size(self) -> int | float:
        """The `size`: there is no estimate above the limits."""
        return self.size

    def at(self, index: int) -> Architecture:
        """Return the architecture number ``index`` in the order of `every`.

        Above the limits, each call enumerates all architectures up to there.
        """
        every = iter(self._counted) if self._counted else self.every()
        found = next(itertools.islice(every, index, None), None) if index >= 0 else None
        if found is None:
            raise SpaceError(f"There is no architecture number {index} in {self!r}: it has fewer architectures.")
        return found

    def every(self) -> Iterator[Architecture]:
        """Yield all architectures, lazily; the last choice changes fastest."""
        for static in self._static.grid():
            yield from self._every_run(static)

    # Generated architectures.

    def sample(self, rng: random.Random) -> Architecture:
        """Draw each choice from its prior."""
        return self._architecture(self._static.sample(rng), lambda choice: choice.sample(rng))

    def sample_run(self, rng: random.Random) -> Run:
        """Run the mutators with random decisions on a random network."""
        return self._engine.run(self._static.sample(rng), lambda choice: choice.sample(rng))

    def mutate(self, architecture: Architecture, rng: random.Random, probability: float | None) -> Architecture:
        """Change one decision, or each with a probability; decisions that no longer apply are drawn again."""
        if probability is None:
            return self._mutate_one(architecture, rng)
        return self._mutate_each(architecture, rng, probability)

    def crossover(self, first: Architecture, second: Architecture, rng: random.Random) -> Architecture:
        """Take each decision from one of two architectures if it still applies there."""
        one, ones = self._split(first)
        other, others = self._split(second)

        def decide(choice: Categorical) -> Value:
            parents = [parent for parent in (ones, others) if _fits(choice, parent)]
            if not parents:
                return choice.sample(rng)
            return parents[rng.random() < 0.5 if len(parents) == 2 else 0][choice.label]

        return self._architecture(self._static.crossover(one, other, rng), decide)

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """Yield all architectures that differ in one decision, lazily; new choices take their defaults."""
        static, dynamic = self._split(architecture)
        for other in self._static.neighbours(static):
            yield self._architecture(other, _kept(dynamic, Categorical.default))
        for run in self.dynamic_neighbours(architecture):
            yield _joined(static, run.values)

    def dynamic_neighbours(self, architecture: Architecture) -> Iterator[Run]:
        """Yield a run for each other value of each of the mutators' decisions."""
        static, dynamic = self._split(architecture)
        for choice in self._engine.run(static, _kept(dynamic, Categorical.default)).choices:
            for value in choice.others(dynamic[choice.label]):
                yield self._engine.run(static, _kept({**dynamic, choice.label: value}, Categorical.default))

    # Numbers for predictors.

    def encode(self, architecture: Architecture) -> list[float]:
        """Raise: not all labels are known, so there is no encoding of fixed length."""
        raise self._no_encoding()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Raise, as `encode` does."""
        raise self._no_encoding()

    def encode_all(self, architectures: Sequence[Architecture]) -> list[list[float]]:
        """Encode architectures together.

        The choices in the model are encoded as `SearchSpace.encode` does. Then, for each label of the mutators that
        any of the architectures has: 1.0 if an architecture has it, else 0.0, and its value as one-hot among the values
        of all architectures.
        """
        seen: dict[str, list[Value]] = {}
        for architecture in architectures:
            for label, value in self._split(architecture)[1].items():
                values = seen.setdefault(label, [])
                if not any(_same(value, other) for other in values):
                    values.append(value)
        met = [Categorical(label, values=tuple(values)) for label, values in seen.items()]
        together = SearchSpace((*self._static.choices, *met))
        return [together.encode(architecture) for architecture in architectures]

    def _no_encoding(self) -> SpaceError:
        return SpaceError(
            f"{self!r} has no encoding of fixed length: the labels of an architecture depend on earlier choices, and "
            "not all labels are known. Encode several architectures together with encode_all(architectures), or use a "
            "strategy that needs no encoding."
        )

    def merge(self, other: ArchitectureSet) -> ArchitectureSet:
        """Return the architectures with the choices of both."""
        if not other.has_fixed_labels:
            raise SpaceError("Two spaces of mutators cannot be merged. Give all mutators to one engine.")
        return MutatorArchitectures(self._engine, self._static.merge(SearchSpace.of(other)))

    def _architecture(self, static: Architecture, decide: Decide) -> Architecture:
        return _joined(static, self._engine.run(static, decide).values)

    def _split(self, architecture: Mapping[str, Value]) -> tuple[Architecture, dict[str, Value]]:
        static = {label: value for label, value in architecture.items() if label in self._static}
        dynamic = {label: value for label, value in architecture.items() if label not in self._static}
        return Architecture(static), dynamic

    def _mutate_one(self, architecture: Architecture, rng: random.Random) -> Architecture:
        static, dynamic = self._split(architecture)
        met = self._engine.run(static, _kept(dynamic, Categorical.default)).choices
        labels = [choice.label for choice in self._static if choice.label in static and choice.is_mutable]
        labels += [choice.label for choice in met if choice.is_mutable]
        if not labels:
            raise SpaceError(
                "There is nothing to mutate: every choice has one candidate. Give a choice more candidates."
            )
        chosen = labels[min(int(rng.random() * len(labels)), len(labels) - 1)]

        def draw(choice: Categorical) -> Value:
            return choice.sample(rng)

        if chosen in self._static:
            return self._architecture(self._static.mutate(static, rng), _kept(dynamic, draw))
        choice = next(choice for choice in met if choice.label == chosen)
        changed = {**dynamic, chosen: choice.sample_other(dynamic[chosen], rng)}
        return self._architecture(static, _kept(changed, draw))

    def _mutate_each(self, architecture: Architecture, rng: random.Random, probability: float) -> Architecture:
        static, dynamic = self._split(architecture)

        def decide(choice: Categorical) -> Value:
            value = _kept(dynamic, lambda new: new.sample(rng))(choice)
            changes = choice.label in dynamic and choice.is_mutable and rng.random() < probability
            return choice.sample_other(value, rng) if changes else value

        return self._architecture(self._static.mutate(static, rng, probability=probability), decide)

    def _every_run(self, static: Architecture) -> Iterator[Architecture]:
        """Enumerate the decisions depth first: keep all but the last that has another candidate left."""
        path: dict[str, Value] = {}
        while True:
            run = self._engine.run(static, _kept(path, Categorical.default))
            yield _joined(static, run.values)
            path = dict(run.values)
            while run.choices:
                choice = run.choices.pop()
                index = choice.index_of(path.pop(choice.label)) + 1
                if index < choice.cardinality:
                    path[choice.label] = choice.value_at(index)
                    break
            else:
                return


def _joined(static: Architecture, dynamic: Mapping[str, Value]) -> Architecture:
    return Architecture({**static, **dynamic})


def _fits(choice: Categorical, values: Mapping[str, Value]) -> bool:
    return choice.label in values and any(_same(values[choice.label], value) for value in choice.values)


def _same(one: Value, other: Value) -> bool:
    return type(one) is type(other) and one == other


def _kept(values: Mapping[str, Value], otherwise: Decide) -> Decide:
    """Return a function that decides as before where that still applies."""
    return lambda choice: values[choice.label] if _fits(choice, values) else otherwise(choice)
