"""`convert_to_graph`: from a PyTorch module to a `Model`."""

from __future__ import annotations

import inspect
import operator
import traceback
from collections.abc import Callable
from typing import Any, cast

from torch import fx, nn

from retiarii.errors import GraphError
from retiarii.graph._building.verification import verify
from retiarii.graph._operations.layer_reading import TAKES_LIST, LayerReader
from retiarii.graph._operations.nested_values import is_equal
from retiarii.graph._operations.operation import Arguments, Input, Inputs, Kind, Operation
from retiarii.graph._operations.qualified_names import type_name
from retiarii.graph._operations.safe_names import free_name
from retiarii.graph._representation.graph_records import INPUT_ID, OUTPUT_ID, GraphData, NodeRecord, Source
from retiarii.graph._representation.model import ROOT, Model
from retiarii.graph._tracing.module_record import describe_module
from retiarii.graph._tracing.module_tracer import ModuleTracer
from retiarii.graph._tracing.scope import Scope
from retiarii.graph._tracing.user_frames import is_library_file


def convert_to_graph(model: nn.Module, example_input: Any = None) -> Model:
    """Turn a module into graphs: one for each module whose ``forward`` is traced.

    Layers of ``torch.nn``, classes marked with ``@basic_unit`` and choices that are not fixed yet become one node each.
    Parameters of the model's ``forward`` that have a default are fixed to it. The module is not changed, and its
    weights are not copied: `build_module` starts with them.

    Args:
        model: Any module. Layers built through `retiarii.nn.pytorch` know their constructor arguments; those built
            through ``torch.nn`` are read from their attributes.
        example_input: A tensor, or a tuple of the arguments of ``forward``. With it, model and graph are run and
            compared to the last bit; that needs a model whose choices are fixed.

    Raises:
        GraphError: ``forward`` does something that a graph cannot hold, such as an ``if`` on the values of a tensor;
            the message names the module, the line, and the way out. Or model and graph differ on the example.
    """
    if not isinstance(model, nn.Module):
        raise GraphError(f"convert_to_graph() got a {type(model).__name__}, expected a torch.nn.Module.")
    graph = convert_with(LayerReader(), model)
    if example_input is not None:
        verify(model, graph, example_input)
    return graph


def convert_with(reader: LayerReader, model: nn.Module) -> Model:
    """Turn a module into graphs.

    Raises:
        GraphError: See `convert_to_graph`.
    """
    tracer = ModuleTracer(reader)
    inputs = _required_inputs(model)
    try:
        scope = tracer.trace_model(model, inputs)
    except Exception as err:  # any error of user code
        raise _located(err, tracer, model) from err
    graphs: dict[str, GraphData] = {}
    _add_scope(scope, graphs, reader)
    graphs = {ROOT: graphs.pop(ROOT), **graphs}
    return Model(graphs)


def _required_inputs(model: nn.Module) -> tuple[str, ...]:
    parameters = inspect.signature(model.forward).parameters.values()
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise GraphError(
                f"{type(model).__name__}.forward takes *{parameter.name}, so that the number of its inputs is not "
                "known. Give its inputs names."
            )
    named = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD and p.default is p.empty]
    if not named:
        raise GraphError(f"{type(model).__name__}.forward has no parameter without a default, so there is no input.")
    return tuple(named)


def _located(err: Exception, tracer: ModuleTracer, model: nn.Module) -> GraphError:
    """Return an error that names the module and the line of user code where tracing stopped."""
    scope = tracer.failed
    path = scope.path if scope is not None else ""
    name = type(scope.module).__name__ if scope is not None else type(model).__name__
    frames = [frame for frame in traceback.extract_tb(err.__traceback__) if not is_library_file(frame.filename)]
    place = f" at {frames[-1].filename}:{frames[-1].lineno} (`{frames[-1].line}`)" if frames else ""
    where = f"module {path!r} (class {name})" if path else f"the forward of {name}"
    reason = str(err) if isinstance(err, GraphError) else f"{type(err).__name__}: {err}"
    return GraphError(
        f"Tracing stopped in {where}{place}: {reason}\nA graph holds operations, not loops and branches that depend on "
        f"the values of tensors or on self.training. Mark the class {name} with @basic_unit to make it one opaque "
        "node, or move the part that cannot be traced to a class of its own and mark that.",
        node=path or None,
    )


def _add_scope(scope: Scope, graphs: dict[str, GraphData], reader: LayerReader) -> str:
    """Convert a scope and the scopes inside; return the name of its graph."""
    name = scope.path or ROOT
    data = _Converter(scope, lambda child: _add_scope(child, graphs, reader), reader).convert()
    known = graphs.get(name)
    if known is not None and not _same(known, data):
        raise GraphError(
            f"Module {name!r} (class {type(scope.module).__name__}) is called several times, and its calls differ. "
            "Mark its class with @basic_unit.",
            node=name,
        )
    graphs.setdefault(name, data)
    return name


def _same(first: GraphData, second: GraphData) -> bool:
    def shape(data: GraphData) -> list[Any]:
        return [
            (r.name, r.operation.kind, r.operation.type, r.member, repr(r.arguments), dict(r.inputs))
            for r in data.records.values()
        ]

    constants = zip(first.module.tensors, second.module.tensors, strict=False)
    return (
        first.input_names == second.input_names
        and shape(first) == shape(second)
        and len(first.module.tensors) == len(second.module.tensors)
        and all(is_equal(a.value, b.value) for a, b in constants)
    )


class _Converter:
    """Converts the ``torch.fx`` graph of one scope."""

    def __init__(self, scope: Scope, convert_child: Callable[[Scope], str], reader: LayerReader) -> None:
        self._scope = scope
        self._convert_child = convert_child
        self._reader = reader
        self._sources: dict[fx.Node, Source] = {}
        self._records: list[NodeRecord] = []
        self._input_names: list[str] = []

    def convert(self) -> GraphData:
        _erase_unused(self._scope.graph)
        for node in self._scope.graph.nodes:
            self._add(node)
        used = {record.member for record in self._records if record.member is not None}
        attributes = {
            record.operation.parameters["name"] for record in self._records if record.operation.kind is Kind.ATTRIBUTE
        }
        module = describe_module(self._scope, self._reader, used, attributes)
        data = GraphData.empty(module, tuple(self._input_names))
        for record in self._records:
            data.records[record.id] = record
        data.next_id = max(data.next_id, *(record.id + 1 for record in self._records)) if self._records else 2
        return data

    def _add(self, node: fx.Node) -> None:
        if node.op == "placeholder":
            self._sources[node] = (INPUT_ID, len(self._input_names))
            self._input_names.append(free_name(str(node.target), self._input_names))
            return
        operation = self._operation(node)
        arguments, inputs = self._arguments(node, operation)
        is_output = operation.kind is Kind.OUTPUT
        node_id = OUTPUT_ID if is_output else len(self._sources) + 2
        member = str(node.target) if operation.has_member else None
        label = self._reader.label(self._scope.module.get_submodule(member)) if member is not None else None
        name = "_outputs" if is_output else node.name
        self._records.append(NodeRecord(node_id, name, operation, member, label, arguments, inputs))
        self._sources[node] = (node_id, None)

    def _operation(self, node: fx.Node) -> Operation:
        if node.op == "output":
            return Operation(Kind.OUTPUT, "_outputs")
        if node.op == "get_attr":
            return Operation(Kind.ATTRIBUTE, self._attribute_kind(str(node.target)), {"name": str(node.target)})
        if node.op == "call_function":
            return Operation(Kind.FUNCTION, type_name(node.target), target=node.target)
        if node.op == "call_method":
            return Operation(Kind.METHOD, str(node.target))
        child = self._scope.children.get(node)
        if child is not None:
            return Operation(Kind.GRAPH, type_name(type(child.module)), cell=self._convert_child(child))
        return self._layer(str(node.target))

    def _layer(self, member: str) -> Operation:
        path = f"{self._scope.path}.{member}" if self._scope.path else member
        return self._reader.operation(self._scope.module.get_submodule(member), path)

    def _attribute_kind(self, path: str) -> str:
        if path in self._scope.constants:
            return "constant"
        if path.rpartition(".")[2] == "training":
            return "training"
        parameters = dict(self._scope.module.named_parameters(remove_duplicate=False))
        return "parameter" if path in parameters else "buffer"

    def _arguments(self, node: fx.Node, operation: Operation) -> tuple[Arguments, dict[int, Source]]:
        inputs: dict[int, Source] = {}

        def mark(leaf: Any) -> Any:
            if not isinstance(leaf, fx.Node):
                return leaf
            inputs[len(inputs)] = self._sources[leaf]
            return Input(len(inputs) - 1)

        named = _without_defaults(node) if operation.type.startswith("torch.nn.functional.") else node.kwargs
        return _canonical(Arguments(node.args, named).map(mark), operation, len(inputs)), inputs


def _without_defaults(node: fx.Node) -> dict[str, Any]:
    """Return the keyword arguments that are not defaults: PyTorch's functions pass on every argument."""
    try:
        signature = inspect.signature(cast("Callable[..., Any]", node.target)).parameters
    except (TypeError, ValueError):  # written in C
        return dict(node.kwargs)

    def is_default(name: str, value: Any) -> bool:
        default = signature[name].default if name in signature else inspect.Parameter.empty
        return value is default or (type(value) is type(default) and value == default)

    return {name: value for name, value in node.kwargs.items() if not is_default(name, value)}


def _canonical(arguments: Arguments, operation: Operation, count: int) -> Arguments:
    """Use `Inputs` if a call passes all inputs in order, so that edges can be added and removed."""
    every = [Input(slot) for slot in range(count)]
    if operation.kind in (Kind.MODULE, Kind.CHOICE) and list(arguments.args) == every and not arguments.kwargs:
        return Arguments()
    takes_list = operation.type in TAKES_LIST or operation.kind is Kind.CHOICE
    if takes_list and arguments.args and isinstance(arguments.args[0], (list, tuple)):
        if list(arguments.args[0]) == every:
            return Arguments((Inputs(), *arguments.args[1:]), arguments.kwargs)
    return arguments


def _erase_unused(graph: fx.Graph) -> None:
    """Erase unused nodes that read elements, attributes and parameters."""
    for node in reversed(graph.nodes):
        if not node.users and (node.op == "get_attr" or node.target in (operator.getitem, getattr)):
            graph.erase_node(node)
