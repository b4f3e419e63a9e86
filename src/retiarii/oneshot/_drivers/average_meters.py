"""`AverageMeterGroup`: running averages of the metrics of batches; and the log lines of trainers with them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor

_LINE_EVERY_S = 10.0  # where no number of batches is given


class AverageMeter:
    """The last value and the running average of one number.

    Args:
        name: Its name in log lines.

    Attributes:
        val: The last value.
        avg: The average of all values, weighted by their counts.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.reset()

    def reset(self) -> None:
        """Forget all values."""
        self.val = self.sum = 0.0
        self.count = 0

    @property
    def avg(self) -> float:
        """The average; 0 without values."""
        return self.sum / self.count if self.count else 0.0

    def update(self, val: Any, n: int = 1) -> None:
        """Add a value that is the mean of ``n`` samples."""
        self.val = float(val.detach() if isinstance(val, Tensor) else val)
        self.sum += self.val * n
        self.count += n

    def __str__(self) -> str:
        return f"{self.name} {self.val:.4f} ({self.avg:.4f})"

    def summary(self) -> str:
        """Return the name and the average."""
        return f"{self.name}: {self.avg:.4f}"


class AverageMeterGroup:
    """One `AverageMeter` for each metric, in order of first appearance. As text: last values and averages."""

    def __init__(self) -> None:
        self.meters: dict[str, AverageMeter] = {}

    def update(self, data: Mapping[str, Any], n: int = 1) -> None:
        """Add the metrics of one batch of ``n`` samples."""
        for name, value in data.items():
            if name not in self.meters:
                self.meters[name] = AverageMeter(name)
            self.meters[name].update(value, n)

    @property
    def averages(self) -> dict[str, float]:
        """The averages by name."""
        return {name: meter.avg for name, meter in self.meters.items()}

    def __getitem__(self, name: str) -> AverageMeter:
        return self.meters[name]

    def __getattr__(self, name: str) -> AverageMeter:
        try:
            return self.__dict__["meters"][name]  # type: ignore[no-any-return]  # it is what `update` stores
        except KeyError:
            raise AttributeError(
                f"There is no metric {name!r}, only {list(self.__dict__.get('meters', {}))}."
            ) from None

    def __str__(self) -> str:
        return "  ".join(map(str, self.meters.values()))

    def summary(self) -> str:
        """Return names and averages."""
        return "  ".join(meter.summary() for meter in self.meters.values())


def metered_pass(
    batches: Iterable[Any],
    step: Callable[[Any], tuple[Mapping[str, Any], int]],
    *,
    title: str,
    logger: logging.Logger,
    total: int,
    log_frequency: int | None,
) -> AverageMeterGroup:
    """Do a step for each batch, and log last values and averages at level INFO, and at the end the averages.

    Args:
        batches: The batches.
        step: Returns the metrics of a batch, and its number of samples.
        title: The beginning of each line.
        logger: Where to log.
        total: The number of batches, for the lines.
        log_frequency: The number of batches between two lines; None logs one every ten seconds.

    Returns:
        The averages.
    """
    meters = AverageMeterGroup()
    last_line = time.monotonic()
    for number, batch in enumerate(batches):
        metrics, num_samples = step(batch)
        meters.update(metrics, n=num_samples)
        is_late = time.monotonic() - last_line >= _LINE_EVERY_S
        if is_late if log_frequency is None else number % log_frequency == 0:
            logger.info("%s step [%d/%d]  %s", title, number + 1, total, str(meters))  # the meters go on
            last_line = time.monotonic()
    logger.info("%s  %s", title, meters.summary())
    return meters


@contextmanager
def shown_log() -> Iterator[None]:
    """Show what this package logs on standard error inside the block, from level INFO on.

    A program that has set up logging itself gets the messages in its own way, and no others.
    """
    logger = logging.getLogger("retiarii")
    if logger.hasHandlers():
        yield
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("[%(asctime)s] %(message)s", "%H:%M:%S"))
    level = logger.level
    logger.addHandler(handler)
    if level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
