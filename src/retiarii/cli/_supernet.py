"""How far a one-shot search is, for ``retiarii show``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType

from retiarii.cli._json import finite
from retiarii.cli._text import LABEL_STYLE, heading, number_text, plain_table, shortened
from retiarii.terminal import plain, visible_line

if TYPE_CHECKING:
    from retiarii.storage import EpochRecord

_MAX_VALUES = 4


def epoch_json(epoch: EpochRecord) -> dict[str, object]:
    """Return an epoch as plain JSON data; sampled paths are left out."""
    record = {name: value for name, value in epoch.record.items() if name != "sampled"}
    return {**record, "epoch": epoch.number, "time": epoch.time, "metrics": finite(epoch.metrics)}


def supernet_section(epochs: list[EpochRecord]) -> RenderableType:
    """Show what was measured, and the probabilities after the last epoch, the most probable values first."""
    last = epochs[-1]
    entropy = last.record.get("entropy", {})
    mean = sum(entropy.values()) / len(entropy) if entropy else None
    parts = [f"{len(epochs):,} epochs"]
    parts += [f"{name} {number_text(value)}" for name, value in last.metrics.items() if name != "default"]
    parts += [] if mean is None else [f"mean entropy {number_text(mean)} nats"]
    table = plain_table("label", "entropy", "probabilities", right=("entropy",))
    for label, shares in last.record.get("probabilities", {}).items():
        table.add_row(plain(visible_line(label)), number_text(entropy.get(label)), plain(_ranked(shares)))
    return Group(heading("Supernet"), plain(visible_line(", ".join(parts)), style=LABEL_STYLE), table)


def _ranked(shares: dict[str, float]) -> str:
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    shown = [f"{shortened(visible_line(_plain(value)))} {share:.3f}" for value, share in ranked[:_MAX_VALUES]]
    return "  ".join([*shown, *([f"(+{len(ranked) - _MAX_VALUES})"] if len(ranked) > _MAX_VALUES else [])])


def _plain(text: str) -> str:
    """Return a value without the quotes of JSON."""
    value: Any = json.loads(text)
    return value if isinstance(value, str) else text
