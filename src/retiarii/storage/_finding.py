"""Finding an experiment by its id, the beginning of its id, or its name; and the errors if that fails."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from retiarii.errors import ConfigError, CorruptStoreError, NotFoundError
from retiarii.storage._experiment_records import ExperimentRecord

_MANY = 8  # the number of experiments in a message
_NEWEST = 5


def chosen(text: str, found: Iterable[ExperimentRecord | CorruptStoreError], where: str) -> ExperimentRecord:
    """Return the experiment with this id, or else the only one with this name or with an id that begins with the text.

    Args:
        text: The text that the user gave.
        found: Experiments, oldest first, including all that may match.
        where: The name of the store in messages.

    Raises:
        NotFoundError: No experiment matches, or several do.
        CorruptStoreError: The matching experiment is damaged.
        ConfigError: ``text`` is not a text.
    """
    check_text(text)
    records, damaged = [], []
    for one in found:
        if isinstance(one, ExperimentRecord):
            records.append(one)
        elif text and (one.experiment_id or "").startswith(text):
            damaged.append(one)
    meant = [record for record in records if record.id == text]
    if not meant and text:
        meant = [record for record in records if record.name == text or record.id.startswith(text)]
    exact = [err for err in damaged if err.experiment_id == text]
    if exact or (damaged and not meant):
        raise (exact or damaged)[0]
    if not meant:
        raise no_experiment(text, [record.id for record in reversed(records)], where)
    if len(meant) > 1:
        raise _ambiguous(text, meant, where)
    return meant[0]


def check_text(text: object) -> None:
    """Check the type of an id that a user gave.

    Raises:
        ConfigError: ``text`` is not a text.
    """
    if not isinstance(text, str):
        raise ConfigError(f"The id of an experiment is {text!r}, expected a text (experiment.id, or its name).")


def no_experiment(experiment_id: str, newest: Sequence[str], where: str) -> NotFoundError:
    """Return the error for an experiment that does not exist.

    Args:
        experiment_id: The id that was not found.
        newest: The existing ids, or some of them, newest first.
        where: The name of the store in the message.
    """
    there = (
        f"The newest are {', '.join(newest[:_NEWEST])}; `retiarii list` shows all." if newest else "It has none yet."
    )
    return NotFoundError(f"There is no experiment {experiment_id!r} in the store {where}. {there}")


def _ambiguous(text: str, meant: Sequence[ExperimentRecord], where: str) -> NotFoundError:
    shown = ", ".join(
        f"{record.id} ({record.name!r}, {time.strftime('%Y-%m-%d %H:%M', time.localtime(record.created))})"
        for record in reversed(meant[-_MANY:])
    )
    return NotFoundError(
        f"{len(meant)} experiments in {where} have the name {text!r} or an id that begins with it, the newest first: "
        f"{shown}{', ...' if len(meant) > _MANY else ''}. Give the id."
    )
