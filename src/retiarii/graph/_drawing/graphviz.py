"""Scenes in the DOT language, and running Graphviz."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

from retiarii.drawing import ARROW_COLOURS, REMOVED, Box, Scene
from retiarii.drawing.scenes import colours
from retiarii.drawing.svg import escape
from retiarii.errors import GraphError, MissingExtraError

_TIMEOUT_S = 60


def has_graphviz() -> bool:
    """Return whether the program ``dot`` is installed."""
    return shutil.which("dot") is not None


def dot_of(scene: Scene, title: str) -> str:
    """Return a scene in the DOT language.

    Args:
        scene: What to draw.
        title: The title of the drawing.
    """
    lines = [
        f"digraph {_quoted(title)} {{",
        '  graph [fontname="Helvetica", fontsize=12, rankdir=TB, ranksep=0.35, nodesep=0.3, compound=true];',
        '  node [fontname="Helvetica", fontsize=11, shape=box, style="rounded,filled", penwidth=1.1, height=0.3];',
        "  edge [arrowsize=0.6, penwidth=1.1];",
        *_lines(scene, "n", "  "),
        "}",
    ]
    return "\n".join(lines) + "\n"


def run_graphviz(source: str) -> str:
    """Return the SVG that Graphviz makes of DOT source.

    Raises:
        MissingExtraError: The program ``dot`` is not installed.
        GraphError: Graphviz failed or took too long.
    """
    program = shutil.which("dot")
    if program is None:
        raise MissingExtraError("Graphviz is not installed (no program 'dot'). Install it, or use layout='builtin'.")
    try:
        done = subprocess.run(
            [program, "-Tsvg"], input=source.encode(), capture_output=True, timeout=_TIMEOUT_S, check=True
        )
    except subprocess.TimeoutExpired as err:
        raise GraphError(
            f"Graphviz took longer than {_TIMEOUT_S} s. Use layout='builtin', or a smaller depth."
        ) from err
    except subprocess.CalledProcessError as err:
        raise GraphError(f"Graphviz failed: {err.stderr.decode(errors='replace').strip()}") from err
    return done.stdout.decode()


def _lines(scene: Scene, prefix: str, indent: str) -> Iterator[str]:
    for box in scene.boxes:
        yield from _box(box, f"{prefix}_{box.key}", indent)
    inner = {box.key: box for box in scene.boxes if box.inner is not None}
    for start, end, status, _ in scene.arrows:
        head, tail = f"{prefix}_{start}", f"{prefix}_{end}"
        if start in inner:
            head += "_1"  # from the output of the nested graph
        if end in inner:
            tail += "_0"
        dashes = ", style=dashed" if status == REMOVED else ""
        yield f'{indent}"{head}" -> "{tail}" [color="{ARROW_COLOURS[status]}"{dashes}];'


def _box(box: Box, name: str, indent: str) -> Iterator[str]:
    fill, line = colours(box.category, box.status, is_container=box.inner is not None)
    if box.inner is not None:
        yield f'{indent}subgraph "cluster_{name}" {{'
        yield f"{indent}  label={_quoted(box.title)}; labeljust=l;"
        yield f'{indent}  style="rounded,filled"; color="{line}"; fillcolor="{fill}";'
        yield from _lines(box.inner, name, indent + "  ")
        yield f"{indent}}}"
        return
    if box.category == "io" and name.count("_") > 1:
        yield f'{indent}"{name}" [shape=point, width=0.05, label="", color="{line}"];'
        return
    rows = [f"<b>{escape(box.title)}</b>"]
    rows += [f'<font point-size="9" color="#475569">{escape(text)}</font>' for text in (box.detail, box.note) if text]
    dashes = ', style="rounded,filled,dashed"' if box.status == REMOVED else ""
    yield f'{indent}"{name}" [label=<{"<br/>".join(rows)}>, fillcolor="{fill}", color="{line}"{dashes}];'


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
