"""`MutatorSpace`: a search space that is discovered while it is sampled."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from retiarii.errors import ArchitectureError, SpaceError
from retiarii.space import Architecture, Categorical, Constraint, SearchSpace, Value, rng_for

if TYPE_CHECKING:
    from retiarii.graph._engine import GraphEngine, Run

MAX_COUNTED = 2_000
_PROBES = 200
_RANDOM_PROBES = 8

Decide = Callable[[Categorical], Value]


def mutator_space(engine: GraphEngine, *, stationary: bool | None = None) -> SearchSpace:
    """Return the space that a model and its mutators span.

    Args:
        engine: The model and the mutators.
        stationary: Whether the choices are the same whatever was chosen. None finds out: the mutators run with first
            candidates everywhere, with every single deviation from that (at most 200), and with 8 random draws. If all
            of these runs met the same choices, the space is a plain `SearchSpace`; an architecture for which that
            turns out wrong later fails with a message that says so. If not, it is a `MutatorSpace`.

    Raises:
        GraphError: The model cannot be traced.
    """
    space = MutatorSpace(engine)
    if stationary is False or (stationary is None and not _is_stationary(space)):
        return space
    return engine.inline_space.merge(SearchSpace(space.met_by_default))


def _is_stationary(space: MutatorSpace) -> bool:
    expected = space.met_by_default
    default = space.default()
    rngs = (rng_for(0, number) for number in range(_RANDOM_PROBES))
    probes = itertools.chain(itertools.islice(space.dynamic_neighbours(default), _PROBES), map(space.sample_run, rngs))
    return all(_agrees(run, expected) for run in probes)


def _agrees(run: Run, expected: Sequence[Categorical]) -> bool:
    """Return whether a run met the expected choices; an invalid mutation ends early and proves nothing."""
    met = run.choices
    wanted = expected[: len(met)] if run.error is not None else expected
    return list(met) == list(wanted)


class MutatorSpace(SearchSpace):
    """The space of a model and mutators whose later choices depend on earlier ones.

    Every operation replays the mutators, which costs a few milliseconds, with decisions that are kept where their
    labels and candidates still exist, and drawn anew where they do not. Architectures for which a mutator raises
    `InvalidMutation` are part of the space and have the labels that were met before it did; their trials fail.

    As a `SearchSpace`, it lists the choices in the model and those that the mutators meet with first candidates
    everywhere. `size` is exact up to 2,000 and infinite beyond; `encode` is not possible.

    Args:
        engine: The model and the mutators.
        static: The choices that do not come from mutators; None for those in the model.
        constraints: Functions that say whether an architecture is wanted.
    """

    def __init__(
        self, engine: GraphEngine, static: SearchSpace | None = None, constraints: Sequence[Constraint] = ()
    ) -> None:
        self.engine = engine
        self.static = SearchSpace((static or engine.inline_space).choices)
        default = self.static.default()
        self.met_by_default: list[Categorical] = engine.run(default, Categorical.default).choices
        super().__init__((*self.static.choices, *self.met_by_default), constraints)

    def __repr__(self) -> str:
        return f"MutatorSpace({len(self.static)} labels in the model, {len(self.engine.mutators)} mutators)"

    def __getstate__(self) -> dict[str, Any]:
        own = {"engine": self.engine, "static": self.static, "met_by_default": self.met_by_default}
        return {**super().__getstate__(), **own}

    # Single architectures.

    def default(self) -> Architecture:
        """Return the architecture of first candidates."""
        return self._architecture(self.static.default(), Categorical.default)

    def architecture(self, raw: Mapping[str, Any]) -> Architecture:
        """Check that an architecture fits, and return its canonical form; see `SearchSpace.architecture`.

        Raises:
            ArchitectureError: A label is unknown or missing, or a value is none of its choice.
        """
        if not isinstance(raw, Mapping):
            return super().architecture(raw)
        static = self.static.architecture({label: value for label, value in raw.items() if label in self.static})
        labels = tuple(f"{mutator.label}/" for mutator in self.engine.mutators)

        def decide(choice: Categorical) -> Value:
            if choice.label in raw:
                return choice.parse(raw[choice.label])
            raise ArchitectureError(
                f"The architecture has no value for {choice.label!r} ({choice.declared_at}), expected one of "
                f"{choice.domain()}. Add it.",
                label=choice.label,
                expected=choice.domain(),
            )

        unknown = next((x for x in raw if x not in self.static and not str(x).startswith(labels)), None)
        if unknown is not None:
            raise ArchitectureError(
                f"The architecture has a value for {unknown!r}, which is a label neither of the model nor of a mutator "
                f"({', '.join(map(repr, labels))}...).",
                label=str(unknown),
                got=raw[unknown],
            )
        return self._architecture(static, decide)

    @cached_property
    def _count(self) -> int | float:
        count = sum(1 for _ in itertools.islice(self._every(), MAX_COUNTED + 1))
        return math.inf if count > MAX_COUNTED else count

    @property
    def size(self) -> int | float:
        """The exact number of architectures up to 2,000; ``math.inf`` where there are more, or a continuous choice."""
        return self._count

    def at(self, index: int) -> Architecture:
        """Return the architecture number ``index`` in the order of `grid`; it enumerates up to there.

        Raises:
            SpaceError: There is no such number.
        """
        found = next(itertools.islice(self._every(), index, None), None) if index >= 0 else None
        if found is None:
            raise SpaceError(f"Architecture number {index} was asked for, but there are not as many.")
        return found

    def grid(self) -> Iterator[Architecture]:
        """Yield, lazily, all architectures that the constraints want: the last choice changes fastest."""
        return filter(self.satisfies, self._every())

    # Generated architectures.

    def sample(self, rng: random.Random) -> Architecture:
        """Draw each choice that is met as its prior says.

        Raises:
            ConstraintError: No architecture met the constraints.
        """
        return self._wanted(lambda: dict(self._sampled(rng)))

    def sample_run(self, rng: random.Random) -> Run:
        """Run the mutators with random decisions on a random static part."""
        return self.engine.run(self.static.sample(rng), lambda choice: choice.sample(rng))

    def mutate(
        self, architecture: Architecture, rng: random.Random, *, probability: float | None = None
    ) -> Architecture:
        """Return a changed copy; see `SearchSpace.mutate`. Decisions that no longer apply are drawn anew.

        Raises:
            SpaceError: There is nothing to change.
            ConstraintError: No mutant met the constraints.
        """
        if probability is None:
            return self._wanted(lambda: dict(self._mutate_one(architecture, rng)))
        return self._wanted(lambda: dict(self._mutate_each(architecture, rng, probability)))

    def crossover(self, first: Architecture, second: Architecture, rng: random.Random) -> Architecture:
        """Mix two architectures; each decision comes from one of them where it still applies.

        Raises:
            ConstraintError: No child met the constraints.
        """
        return self._wanted(lambda: dict(self._crossed(first, second, rng)))

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """Yield, lazily, each architecture that differs by one decision; what becomes active takes its default."""
        static, dynamic = self._split(architecture)
        for other in self.static.neighbours(static):
            neighbour = self._architecture(other, _kept(dynamic, Categorical.default))
            if self.satisfies(neighbour):
                yield neighbour
        for run in self.dynamic_neighbours(architecture):
            neighbour = _joined(static, run.values)
            if self.satisfies(neighbour):
                yield neighbour

    def dynamic_neighbours(self, architecture: Architecture) -> Iterator[Run]:
        """Yield a run for each other value of each of the mutators' decisions."""
        static, dynamic = self._split(architecture)
        for choice in self.engine.run(static, _kept(dynamic, Categorical.default)).choices:
            for value in choice.others(dynamic[choice.label]):
                yield self.engine.run(static, _kept({**dynamic, choice.label: value}, Categorical.default))

    # Other spaces.

    def encode(self, architecture: Architecture) -> list[float]:
        """Refuse: the labels are not known beforehand, so there is no encoding of fixed length.

        Raises:
            SpaceError: Always.
        """
        raise SpaceError(
            "The choices of these mutators depend on each other, so architectures have no encoding of fixed length. "
            "Use a strategy that needs none (Random, GridSearch, RegularizedEvolution)."
        )

    def constrained(self, *constraints: Constraint) -> SearchSpace:
        """Return this space with further constraints."""
        return MutatorSpace(self.engine, self.static, (*self.constraints, *constraints))

    def merge(self, other: SearchSpace) -> SearchSpace:
        """Return the space with the choices and constraints of both.

        Raises:
            LabelConflictError: A shared label has two domains.
            SpaceError: Both are discovered while sampling.
        """
        if isinstance(other, MutatorSpace):
            raise SpaceError("Two spaces of mutators cannot be merged. Give all mutators to one engine.")
        merged = self.static.merge(other)
        return MutatorSpace(self.engine, merged, (*self.constraints, *other.constraints))

    # How.

    def _architecture(self, static: Architecture, decide: Decide) -> Architecture:
        return _joined(static, self.engine.run(static, decide).values)

    def _split(self, architecture: Mapping[str, Value]) -> tuple[Architecture, dict[str, Value]]:
        static = {label: value for label, value in architecture.items() if label in self.static}
        dynamic = {label: value for label, value in architecture.items() if label not in self.static}
        return Architecture(static), dynamic

    def _sampled(self, rng: random.Random) -> Architecture:
        return self._architecture(self.static.sample(rng), lambda choice: choice.sample(rng))

    def _mutate_one(self, architecture: Architecture, rng: random.Random) -> Architecture:
        static, dynamic = self._split(architecture)
        met = self.engine.run(static, _kept(dynamic, Categorical.default)).choices
        labels = [choice.label for choice in self.static if choice.label in static and choice.is_mutable]
        labels += [choice.label for choice in met if choice.is_mutable]
        if not labels:
            raise SpaceError("There is nothing to mutate: every choice has one candidate.")
        chosen = labels[min(int(rng.random() * len(labels)), len(labels) - 1)]
        draw: Decide = lambda choice: choice.sample(rng)  # noqa: E731 - a name for the second way to decide
        if chosen in self.static:
            return self._architecture(self.static.mutate(static, rng), _kept(dynamic, draw))
        choice = next(choice for choice in met if choice.label == chosen)
        changed = {**dynamic, chosen: choice.sample_other(dynamic[chosen], rng)}
        return self._architecture(static, _kept(changed, draw))

    def _mutate_each(self, architecture: Architecture, rng: random.Random, probability: float) -> Architecture:
        static, dynamic = self._split(architecture)

        def decide(choice: Categorical) -> Value:
            value = _kept(dynamic, lambda new: new.sample(rng))(choice)
            changes = choice.label in dynamic and choice.is_mutable and rng.random() < probability
            return choice.sample_other(value, rng) if changes else value

        return self._architecture(self.static.mutate(static, rng, probability=probability), decide)

    def _crossed(self, first: Architecture, second: Architecture, rng: random.Random) -> Architecture:
        one, ones = self._split(first)
        other, others = self._split(second)

        def decide(choice: Categorical) -> Value:
            parents = [parent for parent in (ones, others) if _fits(choice, parent)]
            if not parents:
                return choice.sample(rng)
            return parents[rng.random() < 0.5 if len(parents) == 2 else 0][choice.label]

        return self._architecture(self.static.crossover(one, other, rng), decide)

    def _every(self) -> Iterator[Architecture]:
        for static in self.static.grid():
            yield from self._every_run(static)

    def _every_run(self, static: Architecture) -> Iterator[Architecture]:
        """Enumerate the decisions depth first: keep all but the last that has another candidate left."""
        path: dict[str, Value] = {}
        while True:
            run = self.engine.run(static, _kept(path, Categorical.default))
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
