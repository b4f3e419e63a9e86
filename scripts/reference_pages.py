"""A hook of mkdocs: the reference shows every public name, also those that no page lists.

Pages of ``docs/reference`` list what users look for first, in a sensible order. A line ``<!-- others of MODULE -->``
stands for the rest of the module's ``__all__``: all names that no page of the reference lists.
``<!-- others of MODULE not in ANOTHER -->`` leaves out the names that another module has as well.

Docstrings end a line with ``::`` before an example, as reStructuredText does; Markdown would show the colons.
"""

import importlib
import re
from pathlib import Path
from typing import Any

_REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"
_LISTED = re.compile(r"^::: ([\w.]+)$", re.MULTILINE)
_COLONS = re.compile(r"(<p>|\w)\s*::</p>")
_OTHERS = re.compile(r"^<!-- others of ([\w.]+)(?: not in ([\w.]+))? -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Write the remaining names of modules into a page."""
    return _OTHERS.sub(lambda found: "\n\n".join(f"::: {name}" for name in others(*found.groups())), markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Remove the colons before examples."""
    return _COLONS.sub(lambda found: "" if found[1] == "<p>" else f"{found[1]}:</p>", html)


def others(module: str, other: str | None = None) -> list[str]:
    """Return the paths of a module's public names that no page of the reference lists, sorted."""
    listed = {path for page in _REFERENCE.glob("*.md") for path in _LISTED.findall(page.read_text())}
    known = {path.rpartition(".")[2] for path in listed}
    if other is not None:
        known.update(dir(importlib.import_module(other)))
    return [f"{module}.{name}" for name in sorted(importlib.import_module(module).__all__) if name not in known]
