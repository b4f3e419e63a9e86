"""Imports between files have no circles, and no two files or classes share a name."""

import ast
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"

# Adapters to Lightning are named after the library. Modules of `retiarii.testing` are named after what they test, and
# are not compared. Those of the classic API, and their classes, have the names that NNI gave them.
SHARED_FILE_NAMES = {"lightning"}
SHARED_CLASS_NAMES = {"DARTS", "ENAS"}  # a strategy and a ready space: papers propose both under one name


def module_name(path, source=SOURCE):
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(tree, modules, *, is_face=False):
    """Return the modules of the package that a file imports anywhere: in functions and for type checkers, too.

    The imports for type checkers of an ``__init__.py`` are names that it loads late, for its users.
    """
    found = set()
    for node in ast.walk(_WithoutTyping().visit(tree) if is_face else tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "the package imports by absolute names"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                found.add(submodule if submodule in modules else node.module)
    return found & modules


class _WithoutTyping(ast.NodeTransformer):
    def visit_If(self, node):
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else node


def import_graph(source):
    paths = {module_name(path, source): path for path in source.rglob("*.py")}
    faces = {name for name, path in paths.items() if path.name == "__init__.py"}
    trees = {name: ast.parse(path.read_text()) for name, path in paths.items()}
    graph = {name: imports_of(tree, set(paths), is_face=name in faces) - {name} for name, tree in trees.items()}
    # A package that only hands names on imports its files for its users, and its files never import it.
    for face in faces:
        inside = {name for name in graph if name.startswith(f"{face}.")}
        if not any(face in graph[name] for name in inside):
            graph[face] -= inside
    return graph


def circle_in(graph):
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return None


def classes():
    for path in SOURCE.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                yield node.name, module_name(path)


def has_names_of_nni(module):
    return module.startswith("retiarii.classic.pytorch.") and "._" not in module


def shared(names):
    places = defaultdict(list)
    for name, place in names:
        if not has_names_of_nni(place):
            places[name].append(place)
    return {name: sorted(found) for name, found in places.items() if len(found) > 1}


def test_no_files_import_each_other_in_a_circle():
    assert circle_in(import_graph(SOURCE)) is None, "move what both need into a file below both"


def test_no_two_files_share_a_name():
    modules = {module_name(path) for path in SOURCE.rglob("*.py") if path.stem != "__init__"}
    found = shared((name.rpartition(".")[2], name) for name in modules if not name.startswith("retiarii.testing."))
    assert {*found} <= SHARED_FILE_NAMES, found


def test_no_two_classes_share_a_name():
    found = shared(classes())
    assert {*found} <= SHARED_CLASS_NAMES, found


@pytest.mark.parametrize(
    "importing",
    [
        "from retiarii.low import f",
        "def g():\n    from retiarii import low",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import retiarii.low",
    ],
)
def test_circles_are_found_however_a_file_imports(tmp_path, importing):
    package = tmp_path / "retiarii"
    package.mkdir()
    (package / "__init__.py").write_text("from retiarii.high import g\n")
    (package / "low.py").write_text("from retiarii.high import g\n")
    (package / "high.py").write_text("g = 1\n")
    assert circle_in(import_graph(tmp_path)) is None
    (package / "high.py").write_text(f"{importing}\n")
    assert set(circle_in(import_graph(tmp_path))) == {"retiarii.low", "retiarii.high"}
