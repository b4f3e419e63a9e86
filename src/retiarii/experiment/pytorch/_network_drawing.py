"""Drawing the base model of an experiment, in a process beside the search."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from retiarii.drawing import Drawing, NodeCost
from retiarii.errors import GraphError
from retiarii.evaluator import Evaluator
from retiarii.graph import GraphEngine, Mutator, mutated_nodes, space_drawing
from retiarii.nn.pytorch import freeze
from retiarii.nn.pytorch.counting import evaluating, flops_of_parts
from retiarii.nn.pytorch.origins import module_origins
from retiarii.profiler import output_shapes
from retiarii.space import Architecture, SearchSpace

_MAX_NETWORKS = 16  # of which shapes and FLOPs are taken
_COUNTING_S = 20.0
_MAX_REASON = 600


def draw_model(
    model: nn.Module,
    space: SearchSpace,
    evaluator: Evaluator,
    input_shape: Sequence[int] | None,
    mutators: Sequence[Mutator],
    send: Callable[[dict[str, Any]], None],
) -> None:
    """Send the drawing of a model; then, if an example input is known, the drawing with shapes and FLOPs.

    Args:
        model: The base model.
        space: The space of the experiment.
        evaluator: The evaluator, whose data may show the shape of the input.
        input_shape: The shape of a batch; None if it is not known.
        mutators: Mutators of the graph; with them, shapes and FLOPs are not known.
        send: Is given what is to be stored.
    """
    torch.set_num_threads(1)  # threads of the process that was forked are not there
    try:
        labels = mutated_nodes(GraphEngine(model, mutators, evaluator=evaluator)) if mutators else {}
        drawing = space_drawing(model, space, labels=labels)
    except Exception as error:  # noqa: BLE001 - it runs code of the model
        reason = str(error) if isinstance(error, GraphError) else f"{type(error).__name__}: {error}"
        send({"problem": f"The model could not be drawn: {reason[:_MAX_REASON]}"})
        return
    send({"drawing": drawing.to_json()})
    if mutators:
        return
    with evaluating(model), torch.no_grad():
        example = torch.zeros(*input_shape) if input_shape is not None else _example_of(model, evaluator)
    if example is not None:
        send({"drawing": with_costs(drawing, model, space, example).to_json()})


def with_costs(drawing: Drawing, model: nn.Module, space: SearchSpace, example: Tensor) -> Drawing:
    """Return a drawing with the shapes and FLOPs of modules in random architectures.

    What differs between architectures, such as the FLOPs of a part with choices in it, is left out.

    Args:
        drawing: The drawing.
        model: The base model.
        space: Its space.
        example: A batch of input.
    """
    paths = {module: path for path, module in model.named_modules(remove_duplicate=False)}
    missing = {box.path for box in drawing.boxes if box.path}
    found: dict[str, NodeCost] = {}
    end = time.monotonic() + _COUNTING_S
    for number in range(_MAX_NETWORKS):
        architecture = space.sample(random.Random(number))
        for path, cost in _costs_of(model, architecture, example, paths).items():
            found[path] = _common(found.get(path), cost)
        if missing <= set(found) or time.monotonic() > end:
            break
    return drawing.with_costs(found, tuple(example.shape))


def _costs_of(
    model: nn.Module, architecture: Architecture, example: Tensor, paths: Mapping[nn.Module, str]
) -> dict[str, NodeCost]:
    """Return the shapes and FLOPs of one network's modules, by their paths in the base model."""
    network = freeze(model, architecture)
    names = {module: name for name, module in network.named_modules(remove_duplicate=False)}
    shapes = output_shapes(network, example)
    flops = flops_of_parts(network, example)
    costs: dict[str, NodeCost] = {}
    for old, new in module_origins(model, network):
        name, path = names.get(new), paths.get(old)
        if name and path is not None and name in shapes:
            inside = sum(count for part, count in flops.items() if part == name or part.startswith(f"{name}."))
            costs[path] = NodeCost(shapes[name], inside)
    return costs


def _common(known: NodeCost | None, new: NodeCost) -> NodeCost:
    if known is None or known == new:
        return new
    return NodeCost(
        known.shape if known.shape == new.shape else None, known.flops if known.flops == new.flops else None
    )


class _InputSeenError(Exception):
    """Leaves a run of the model as soon as its input is seen."""


def _example_of(model: nn.Module, evaluator: Evaluator) -> Tensor | None:
    """Return the first example that an evaluator shows the model, as a batch of one.

    Returns:
        None if the evaluator shows none, or if the model takes something else than one tensor.
    """
    seen: list[Any] = []

    def note(module: nn.Module, args: Any) -> None:
        seen.append(args)
        raise _InputSeenError

    hook = model.register_forward_pre_hook(note)
    try:
        evaluator.run_on_example(model)
    except Exception:  # noqa: BLE001 - of the user's data, or the end of the run
        pass
    finally:
        hook.remove()
    if seen and len(seen[0]) == 1 and isinstance(seen[0][0], Tensor):
        example: Tensor = seen[0][0].detach()[:1]
        return example
    return None
