"""Which experiment is meant by an id, the beginning of one, or a name; and the error when there is none."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from retiarii.errors import ConfigError, CorruptStoreError, NotFoundError
from retiarii.storage._experiment_records import ExperimentRecord

_MANY = 8  # as many experiments does a message name
_NEWEST = 5


def chosen(text: str, found: Iterable[ExperimentRecord | CorruptStoreError], where: str) -> ExperimentRecord:
    """Return the experiment whose id is a text, else the only one whose name it is or whose id begins with it.

    Args:
        text: What the user wrote.
        found: Experiments, oldest first, at least all that may be meant.
        where: What messages call the store.

    Raises:
        NotFoundError: There is none, or there are several.
        CorruptStoreError: The one with this id is damaged, or the only one whose id begins so.
        ConfigError: ``text`` is no text.
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
    """Check what a user gave as the id of an experiment.

    Raises:
        ConfigError: It is no text.
    """
    if not isinstance(text, str):
        raise ConfigError(f"The id of an experiment is {text!r}, expected a text (experiment.id, or its name).")


def no_experiment(experiment_id: str, newest: Sequence[str], where: str) -> NotFoundError:
    """Return the error for an experiment that is not there.

    Args:
        experiment_id: What was looked for.
        newest: The ids that are there, or some of them, newest first.
        where: What the message calls the store.
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
