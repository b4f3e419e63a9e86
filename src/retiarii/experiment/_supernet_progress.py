"""`SupernetDisplay`: what a person sees while a supernet is trained."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from retiarii.experiment._callbacks import Callback
from retiarii.storage import EpochRecord

LINE_EVERY_S = 5.0  # where there is no terminal to redraw


class SupernetDisplay(Callback):
    """Shows a live display on a terminal or in a notebook, and a line now and then elsewhere (stderr).

    Args:
        title: The experiment's name and id.
        console: Where to write.
    """

    def __init__(self, title: str, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._title = title
        self._last: EpochRecord | None = None
        self._num_epochs: int | None = None
        self._notice = ""
        self._is_live = self._console.is_terminal or self._console.is_jupyter
        self._last_line = time.monotonic()
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._epochs = self._bar.add_task("supernet, epochs", total=None)
        self._batches = self._bar.add_task("this epoch, batches", total=None)
        self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=4, transient=True)

    def __enter__(self) -> SupernetDisplay:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def notify(self, text: str) -> None:
        """Show a message under the display, or as a line of its own."""
        self._notice = text
        if not self._is_live:
            self._console.print(text, highlight=False, soft_wrap=True)

    def on_supernet_start(self, first_epoch: int, num_epochs: int | None) -> None:
        """Start the display; epochs of an experiment that is resumed count."""
        self._num_epochs = num_epochs
        self._bar.update(self._epochs, total=num_epochs, completed=first_epoch)
        if self._is_live:
            self._live.start()
        else:
            of = "" if num_epochs is None else f" for {num_epochs} epochs"
            from_ = f", {first_epoch} of them done before" if first_epoch else ""
            self._console.print(f"{self._title}: training the supernet{of}{from_}", highlight=False, soft_wrap=True)

    def on_batch(self, batch: int, num_batches: int | None) -> None:
        """Move on within the epoch."""
        self._bar.update(self._batches, total=num_batches, completed=batch)
        if not self._is_live and time.monotonic() - self._last_line >= LINE_EVERY_S:
            at = f"batch {batch}" if num_batches is None else f"batch {batch}/{num_batches}"
            self._print_line(f", {at}")

    def on_supernet_epoch(self, epoch: EpochRecord) -> None:
        """Show what was measured."""
        self._last = epoch
        self._bar.update(self._epochs, completed=epoch.number + 1)
        is_last = epoch.number + 1 == self._num_epochs
        if not self._is_live and (is_last or time.monotonic() - self._last_line >= LINE_EVERY_S):
            self._print_line("")

    def close(self) -> None:
        """Give the terminal back, whatever happened, and leave a line that sums up."""
        if self._live.is_started:
            self._live.stop()
            self._print_line("")

    def _print_line(self, detail: str) -> None:
        self._last_line = time.monotonic()
        num_done = 0 if self._last is None else self._last.number + 1
        of = "" if self._num_epochs is None else f"/{self._num_epochs}"
        measured = "" if self._last is None else f", {_measured(self._last)}"
        self._console.print(f"{self._title}: {num_done}{of} epochs{detail}{measured}", highlight=False, soft_wrap=True)

    def _render(self) -> Group:
        rows: list[Progress | Text] = [Text(self._title, style="bold cyan"), self._bar]
        if self._last is not None:
            rows.append(Text(_measured(self._last)))
        notice = self._notice or "Ctrl-C stops after this epoch; the experiment can be resumed."
        rows.append(Text(notice, "dim"))
        return Group(*rows)


def _measured(epoch: EpochRecord) -> str:
    parts = [f"supernet {epoch.metrics['default']:.6g}"] if "default" in epoch.metrics else []
    entropy = epoch.record.get("entropy") or {}
    if entropy:
        parts.append(f"mean entropy {sum(entropy.values()) / len(entropy):.3g} nats")
    return ", ".join(parts) or f"epoch {epoch.number + 1}"
