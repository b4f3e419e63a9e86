"""No room uses what is private to another room: a module or a name that starts with an underscore."""

import ast
from pathlib import Path

import pytest

import retiarii

PACKAGE = Path(retiarii.__file__).parent
SOURCES = sorted(PACKAGE.glob("**/*.py"))
ROOMS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} | {"utils"}


def room_of(name):
    """Return the room of ``retiarii.room.module``; None for modules of the package itself, which all rooms share."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else None


def names_used(tree):
    """Yield the dotted names that a file imports, or has in strings, as imports that are done later are written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, f"line {node.lineno}: relative imports hide the room"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("retiarii."):
            yield node.lineno, node.value.replace(":", ".")


def private_uses(source, own):
    """List what a file of the room ``own`` uses that is private to another one, each with its line."""
    return [
        (line, name)
        for line, name in names_used(ast.parse(source))
        if name.startswith("retiarii.")
        and room_of(name) not in (None, own)
        and any(part.startswith("_") and part.strip("_") and not part.startswith("__") for part in name.split("."))
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_uses_nothing_that_is_private_to_another_room(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    own = parts[0] if parts[0] in ROOMS else ""
    found = [f"{path}:{line}: {name}" for line, name in private_uses(path.read_text(), own)]
    assert not found, "give it a public name in its room: " + "; ".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "from retiarii.space._plain_value import identity",
        "from retiarii.space import _value",
        "import retiarii.space._plain_value",
        "def later():\n    from retiarii.space._plain_value import identity",
        'load("retiarii.space._plain_value:identity")',
    ],
)
def test_private_uses_are_found_wherever_they_are(source):
    assert private_uses(source, "graph")
    assert not private_uses(source, "space")


def test_modules_of_the_package_itself_are_for_all_rooms():
    assert not private_uses("from retiarii._registry import Registry", "graph")
