"""`mutated_nodes`: which nodes the choices of mutators change."""

from __future__ import annotations

from retiarii.graph._mutation.graph_engine import GraphEngine
from retiarii.graph._representation.graph_records import NodeRecord, full_path
from retiarii.graph._representation.model import Model
from retiarii.space import Categorical, Value

_MAX_CHOICES = 50


def mutated_nodes(engine: GraphEngine) -> dict[str, tuple[str, ...]]:
    """Return the paths of modules that mutators change, each with the labels of the choices that decide on it.

    The mutators run with first candidates everywhere, and once more for each of the first 50 choices, with another
    candidate: the nodes that then differ are those of the choice.

    Args:
        engine: The model and the mutators.

    Raises:
        GraphError: The model cannot be traced.
    """
    start = engine.inline_space.default()
    base, usual = engine.base_graph(start), engine.run(start, Categorical.default)
    found: dict[str, tuple[str, ...]] = {}
    for choice in usual.choices[:_MAX_CHOICES] if usual.model is not None else ():
        if len(choice.values) < 2:
            continue

        def other(asked: Categorical, label: str = choice.label) -> Value:
            return asked.values[-1] if asked.label == label else asked.default()

        changed = engine.run(start, other)
        assert usual.model is not None
        for path in _different(base, usual.model, changed.model) if changed.model is not None else ():
            found[path] = (*found.get(path, ()), choice.label)
    return found


def _different(base: Model, first: Model, second: Model) -> list[str]:
    """Return the paths of the modules of a graph that differ between two of its forks."""
    paths = []
    for name, graph in base.graphs.items():
        for number, record in graph._data.records.items():
            both = [
                _text(fork.graphs[name]._data.records.get(number)) for fork in (first, second) if name in fork.graphs
            ]
            if record.member is not None and len(set(both)) > 1:
                paths.append(full_path(name, record.member))
    return paths


def _text(record: NodeRecord | None) -> str:
    return "" if record is None else repr((record.operation.type, dict(record.operation.parameters)))
