"""`export_code`: a network as a Python file that needs PyTorch and nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from torch import nn

from retiarii.errors import GraphError
from retiarii.graph._exporting.class_plans import ClassPlan, plan_classes
from retiarii.graph._exporting.snippets import LINE_LENGTH, render
from retiarii.graph._exporting.user_source import UserSource
from retiarii.graph._representation.model import Model
from retiarii.graph._source.literals import Literals
from retiarii.graph._tracing.lowering import lower
from retiarii.space import Architecture

_INDENT = "    "


def export_code(model: nn.Module | Model, architecture: Mapping[str, Any] | None = None) -> str:
    """Return a network as the text of a Python file that needs PyTorch and nothing else.

    The file has one class for each of the user's module classes, under its name (classes whose instances differ in more
    than numbers get one each), with constructor arguments spelled out and the statements of ``forward`` in the user's
    order. Basic units are copied with their source, together with the helpers and constants of yours that they use;
    what comes from an installed library is imported; a class without source text is imported from your module, and a
    comment says so. The names of parameters are those of the model, so that its state dict loads, and outputs are equal
    to the last bit.

    Args:
        model: A module, with or without choices, or a graph `Model`.
        architecture: What to fix a module to; None for the first candidate of every choice.

    Raises:
        GraphError: The model cannot be traced, a choice is left, or something has no source.
        ArchitectureError: ``architecture`` does not fit.
    """
    if isinstance(model, Model):
        if architecture is not None:
            raise GraphError(
                "export_code() got a graph Model and an architecture; an architecture is for modules. Fix the module "
                "first: lower(model, architecture)."
            )
        return model_code(model)
    return model_code(lower(model, architecture), architecture)


def model_code(model: Model, architecture: Mapping[str, Any] | None = None) -> str:
    """Return a graph model as the text of a Python file; see `export_code`."""
    literals = Literals(lambda qualified, target: source.name(qualified, target))
    source = UserSource(literals)
    plans = plan_classes(model, literals, source)
    if any(plan.base for plan in plans):
        literals.name("torch.nn.Module")
    classes = [_class_text(plan) for plan in plans]
    body = "\n\n\n".join([*source.definitions, *classes])
    text = f"{_header(plans[-1].name, architecture)}\n{_imports(literals.imports)}\n\n\n{body}\n"
    compile(text, "<exported code>", "exec")  # invalid code fails here and not when it is imported
    return text


def _header(name: str, architecture: Mapping[str, Any] | None) -> str:
    lines = [f'"""{name}, as found by neural architecture search.', ""]
    if architecture:
        lines += ["Architecture::", ""]
        text = json.dumps(Architecture(architecture).to_json(), indent=2).replace("\\", "\\\\").replace('"""', "'''")
        lines += [f"{_INDENT}{line}" for line in text.splitlines()]
        lines.append("")
    lines += ["Load trained weights with::", "", f"{_INDENT}model = {name}()"]
    lines += [f'{_INDENT}model.load_state_dict(torch.load("weights.pt"))', '"""', ""]
    return "\n".join(lines)


def _imports(statements: set[str]) -> str:
    """Return the import statements: the standard library first, plain imports before ``from`` imports."""
    future = ["from __future__ import annotations", ""]
    merged = _merged(statements)
    standard = sorted((s for s in merged if _is_standard(s)), key=_import_order)
    others = sorted((s for s in merged if not _is_standard(s)), key=_import_order)
    return "\n".join([*future, *standard, *([""] if standard and others else []), *others])


def _merged(statements: set[str]) -> list[str]:
    """Join ``from m import a`` and ``from m import b``."""
    names: dict[str, set[str]] = {}
    plain: list[str] = []
    for statement in statements:
        if statement.startswith("from ") and "#" not in statement:
            module, _, name = statement.removeprefix("from ").partition(" import ")
            names.setdefault(module, set()).add(name)
        else:
            plain.append(statement)
    return [*plain, *(f"from {module} import {', '.join(sorted(found))}" for module, found in names.items())]


def _is_standard(statement: str) -> bool:
    return statement.split()[1].split(".")[0] in sys.stdlib_module_names


def _import_order(statement: str) -> tuple[bool, str]:
    return statement.startswith("from "), statement


def _class_text(plan: ClassPlan) -> str:
    names = {key: name for name, keys in plan.parameters.items() for key in keys}
    lines = [f"class {plan.name}(nn.{plan.base}):", *_signature("__init__", list(plan.parameters))]
    for statement in next(iter(plan.statements.values())):
        start = f"{statement.target} = " if statement.target else ""
        room = LINE_LENGTH - 2 * len(_INDENT) - len(start)
        lines.append(f"{_INDENT * 2}{start}{render(statement.expression, names, 2, room)}")
    if plan.forward is not None:
        lines += ["", *_signature("forward", list(plan.input_names))]
        lines += [f"{_INDENT * 2}{line}" for line in plan.forward]
    return "\n".join(lines)


def _signature(name: str, parameters: list[str]) -> list[str]:
    line = f"{_INDENT}def {name}({', '.join(['self', *parameters])}):"
    if len(line) <= LINE_LENGTH:
        return [line]
    inner = [f"{_INDENT * 2}{parameter}," for parameter in ("self", *parameters)]
    return [f"{_INDENT}def {name}(", *inner, f"{_INDENT}):"]
