"""The section of ``retiarii show`` about the supernet of a one-shot search."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType

from retiarii._counted import counted
from retiarii._readable import number_text
from retiarii.cli._json_output import finite
from retiarii.cli._text import LABEL_STYLE, heading, plain_table
from retiarii.terminal import plain, shortened, visible_line

if TYPE_CHECKING:
    from retiarii.storage import EpochRecord

_MAX_VALUES = 4


def epoch_json(epoch: EpochRecord) -> dict[str, object]:
    """Return an epoch as plain JSON data; sampled paths are left out."""
    record = {name: value for name, value in epoch.record.items() if name != "sampled"}
    return {**record, "epoch": epoch.number, "time": epoch.time, "metrics": finite(epoch.metrics)}


def undecided_labels(epochs: list[EpochRecord], labels: Collection[str] | None = None) -> list[str]:
    """Return the labels that a one-shot search has not decided on by its last epoch.

    Args:
        epochs: The epochs of the supernet; empty for other searches.
        labels: The labels to check; None for all.
    """
    undecided = epochs[-1].record.get("undecided") if epochs else None
    named = [label for label in undecided if isinstance(label, str)] if isinstance(undecided, list) else []
    return [label for label in named if labels is None or label in labels]


def supernet_section(epochs: list[EpochRecord], architecture: Collection[str] | None = None) -> RenderableType:
    """Return the metrics and the probabilities after the last epoch, the most probable values first.

    Args:
        epochs: The epochs, at least one.
        architecture: The labels of the found architecture; None if there is none yet.
    """
    last = epochs[-1]
    entropy, largest = _numbers(last.record.get("entropy")), _numbers(last.record.get("max_entropy"))
    parts = [counted(len(epochs), "epoch")]
    parts += [f"{name} {number_text(value)}" for name, value in last.metrics.items() if name != "default"]
    if not last.record.get("is_learnt", True):
        parts.append("paths are drawn from the probabilities of the space; this strategy learns none")
    elif entropy:
        of = f" of at most {number_text(_mean(largest))}" if largest else ""
        parts.append(f"mean entropy {number_text(_mean(entropy))}{of} nats")
    table = plain_table("label", "entropy", "at most", "probabilities", right=("entropy", "at most"))
    probabilities = last.record.get("probabilities")
    for label, shares in probabilities.items() if isinstance(probabilities, dict) else ():
        numbers = number_text(entropy.get(label)), number_text(largest.get(label))
        table.add_row(plain(visible_line(label)), *numbers, plain(_ranked(_numbers(shares))))
    rows: list[RenderableType] = [plain(visible_line(", ".join(parts)), style=LABEL_STYLE), table]
    undecided = undecided_labels(epochs, architecture)
    if undecided:
        rows.append(plain(_undecided_text(undecided), style="yellow"))
    return Group(heading("Supernet"), *rows)


def _undecided_text(labels: list[str]) -> str:
    shown = shortened(visible_line(", ".join(labels)))
    return f"Undecided so far: {shown}. All values are about equally probable; one picked now is as good as random."


def _numbers(value: object) -> dict[str, float]:
    """Return the numbers of a stored dict, without values of other types."""
    items = value.items() if isinstance(value, dict) else ()
    return {name: number for name, number in items if isinstance(number, (int, float))}


def _mean(by_label: dict[str, float]) -> float:
    return sum(by_label.values()) / len(by_label)


def _ranked(shares: dict[str, float]) -> str:
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    shown = [f"{shortened(visible_line(_plain(value)))} {share:.3f}" for value, share in ranked[:_MAX_VALUES]]
    return "  ".join([*shown, *([f"(+{len(ranked) - _MAX_VALUES})"] if len(ranked) > _MAX_VALUES else [])])


def _plain(text: str) -> str:
    """Return a value without the quotes of JSON."""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, str) else text
