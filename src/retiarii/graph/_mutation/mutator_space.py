"""`MutatorSpace`: a search space that is discovered while it is sampled."""

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
from retiarii.graph._mutation.mutator_run import Decide, Run
from retiarii.space import Architecture, Categorical, Constraint, SearchSpace, Value, rng_for

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
    everywhere. Only running the mutators shows how many architectures there are, so `size` is exact where there are at
    most 2,000 (of at most 64 architectures of the model's own choices, each of which has to be traced), and
    ``math.inf`` beyond. There is no `encode`: not all labels are known; `encode_all` encodes architectures together.

    Args:
        engine: The model and the mutators.
        static: The choices that do not come from mutators; None for those in the model.
        constraints: Functions that say whether an architecture is wanted.
    """

    def __init__(
        self, engine: MutatorRunner, static: SearchSpace | None = None, constraints: Sequence[Constraint] = ()
    ) -> None:
        self.engine = engine
        inline = engine.inline_space
        if static is None:
            constraints = (*inline.constraints, *constraints)
        # Without the constraints of the model's own parts, which it cannot be built without, the mutators cannot run.
        self.static = SearchSpace((static or inline).choices, inline.constraints)
        default = self.static.default()
        self.met_by_default: list[Categorical] = engine.run(default, Categorical.default).choices
        super().__init__((*self.static.choices, *self.met_by_default), constraints)

    def __repr__(self) -> str:
        labels, mutators = counted(len(self.static), "label"), counted(len(self.engine.mutators), "mutator")
        return f"MutatorSpace({labels} in the model, {mutators})"

    def _summary(self) -> str:
        size = f"{self.size:,}" if self._counted else "too many to count"
        labels = counted(len(self), "label")
        return f"{labels} with first candidates, others depend on what is chosen; architectures: {size}"

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
            ArchitectureError: A label is unknown or missing, or a value is not in the domain of its choice.
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
    def _counted(self) -> list[Architecture]:
        """All architectures if they can be counted; else empty."""
        if self.static.size > MAX_COUNTED_NETWORKS:
            return []
        found = list(itertools.islice(self._every(), MAX_COUNTED + 1))
        return found if len(found) <= MAX_COUNTED else []

    @property
    def size(self) -> int | float:
        """The exact number of architectures, without regard to constraints; ``math.inf`` above the limits.

        The first look at it runs the mutators once for each architecture, up to the limits (see the class).
        """
        return len(self._counted) or math.inf

    @property
    def is_counted(self) -> bool:
        """Whether the limits were kept, so that `size` is exact."""
        return bool(self._counted)

    @property
    def estimated_size(self) -> int | float:
        """The `size`: there is no estimate above the limits."""
        return self.size

    def at(self, index: int) -> Architecture:
        """Return the architecture number ``index`` in the order of `grid`.

        In a space that is too large to be counted, all architectures up to there are enumerated in each call.

        Raises:
            SpaceError: There is no such number.
        """
        every = iter(self._counted) if self._counted else self._every()
        found = next(itertools.islice(every, index, None), None) if index >= 0 else None
        if found is None:
            raise SpaceError(f"There is no architecture number {index} in {self!r}: it has fewer architectures.")
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
        """Refuse: the labels are not known beforehand, so there is no encoding of fixed length; see `encode_all`.

        Raises:
            SpaceError: Always.
        """
        raise self._no_encoding()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Refuse, as `encode` does.

        Raises:
            SpaceError: Always.
        """
        raise self._no_encoding()

    def encode_all(self, architectures: Sequence[Architecture]) -> list[list[float]]:
        """Return architectures as numbers from 0 to 1, in rows of equal length, for predictors.

        The choices in the model are encoded as `SearchSpace.encode` does. Then, for each label of the mutators that
        any of the architectures has: 1.0 where an architecture has it, else 0.0, and its value as one-hot among the
        values that the architectures have. So rows of different calls do not compare: encode what a predictor learned
        from together with what it is to judge.

        Args:
            architectures: Of this space.
        """
        seen: dict[str, list[Value]] = {}
        for architecture in architectures:
            for label, value in self._split(architecture)[1].items():
                values = seen.setdefault(label, [])
                if not any(_same(value, other) for other in values):
                    values.append(value)
        met = [Categorical(label, values=tuple(values)) for label, values in seen.items()]
        together = SearchSpace((*self.static.choices, *met))
        return [together.encode(architecture) for architecture in architectures]

    def _no_encoding(self) -> SpaceError:
        return SpaceError(
            f"{self!r} has no encoding of fixed length: the labels of an architecture depend on earlier choices, and "
            "not all labels are known. Encode several architectures together with encode_all(architectures), or use a "
            "strategy that needs no encoding."
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
            raise SpaceError(
                "There is nothing to mutate: every choice has one candidate. Give a choice more candidates."
            )
        chosen = labels[min(int(rng.random() * len(labels)), len(labels) - 1)]

        def draw(choice: Categorical) -> Value:
            return choice.sample(rng)

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
