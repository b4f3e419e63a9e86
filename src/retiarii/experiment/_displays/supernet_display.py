"""`SupernetDisplay`: the progress display of the training of a supernet."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console, Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from retiarii._counted import counted
from retiarii.experiment._displays.display import Display
from retiarii.storage import EpochRecord
from retiarii.terminal import Text, plain


class SupernetDisplay(Display):
    """Shows the epochs, the batches and the metrics of the supernet.

    Args:
        title: The experiment's name and id.
        console: The console to write to.
    """

    def __init__(self, title: str, console: Console | None = None) -> None:
        super().__init__(title, console)
        self._last: EpochRecord | None = None
        self._num_epochs: int | None = None
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._epochs = self._bar.add_task("epochs of the supernet", total=None)
        self._batches = self._bar.add_task("batches of this epoch", total=None)

    def on_supernet_start(self, first_epoch: int, num_epochs: int | None) -> None:
        """Start the display, with the epochs before a resume."""
        self._num_epochs = num_epochs
        self._bar.update(self._epochs, total=num_epochs, completed=first_epoch)
        of = "" if num_epochs is None else f" for {counted(num_epochs, 'epoch')}"
        before = f", {first_epoch} of them done before" if first_epoch else ""
        self._start(f"training the supernet{of}{before}")

    def on_batch(self, batch: int, num_batches: int | None) -> None:
        """Show the progress within the epoch."""
        self._bar.update(self._batches, total=num_batches, completed=batch)
        if self._is_time_for_a_line:
            self._say(self._line(f"batch {batch}" if num_batches is None else f"batch {batch}/{num_batches}"))

    def on_supernet_epoch(self, epoch: EpochRecord) -> None:
        """Show the metrics of the epoch."""
        self._last = epoch
        self._bar.update(self._epochs, completed=epoch.number + 1)
        if self._is_time_for_a_line or epoch.number + 1 == self._num_epochs:
            self._say(self._line())

    def _line(self, detail: str = "") -> str:
        num_done = 0 if self._last is None else self._last.number + 1
        done = counted(num_done, "epoch")
        epochs = done if self._num_epochs is None else f"{num_done}/{counted(self._num_epochs, 'epoch')}"
        parts = [epochs, detail, "" if self._last is None else _measured(self._last)]
        return f"{self._title}: {', '.join(filter(None, parts))}"

    def _render(self) -> Group:
        rows: list[Progress | Text] = [plain(self._title, style="bold cyan"), self._bar]
        if self._last is not None:
            rows.append(plain(_measured(self._last)))
        rows.append(self._foot(f"{self._interrupt} stops after this epoch; the experiment can be resumed."))
        return Group(*rows)


def _measured(epoch: EpochRecord) -> str:
    parts = [f"supernet {epoch.metrics['default']:.6g}"] if "default" in epoch.metrics else []
    entropy, largest = epoch.record.get("entropy") or {}, epoch.record.get("max_entropy") or {}
    if entropy and epoch.record.get("is_learnt", True):
        of = f" of at most {_mean(largest):.3g}" if largest else ""
        parts.append(f"mean entropy {_mean(entropy):.3g}{of} nats")
    return ", ".join(parts)


def _mean(by_label: Mapping[str, float]) -> float:
    return sum(by_label.values()) / len(by_label)
