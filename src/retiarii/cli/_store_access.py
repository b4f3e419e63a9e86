"""Global options, and the opening of stores and experiments for commands."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from retiarii.errors import CorruptStoreError
    from retiarii.storage import ExperimentRecord, Store


@dataclass
class GlobalOptions:
    """The options before the command.

    Attributes:
        storage: The store of experiments; None for the default.
        debug: Whether errors show their traceback.
    """

    storage: str | None = None
    debug: bool = False


_SETTINGS = GlobalOptions()
_SMALL_BYTES = 8 * 2**20  # reading it takes less time than starting this command

StorageOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="PATH|URL",
        help="Where experiments are kept: a path, sqlite:///..., postgresql://..., or a URL of an installed store.  "
        "By default RETIARII_STORAGE, or retiarii.db in the experiments folder (RETIARII_HOME).",
        show_default=False,
    ),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
IdArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="ID", help="An experiment's id, the beginning of one, or its name.", show_default=False)
]


def at_least(low: int) -> Callable[[str | int], int]:
    """Return a parser for options that are whole numbers, with a message that shows the given value."""

    def parse(text: str | int) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if number < low:
            raise typer.BadParameter(f"{text!r}, expected a whole number, {low} or more.")
        return number

    return parse


def current_settings() -> GlobalOptions:
    """Return the global options, which the options before the command set."""
    return _SETTINGS


def names_a_store(storage: str | None) -> bool:
    """Return whether the user named a store, by an option or in the environment."""
    return bool(storage or _SETTINGS.storage or os.environ.get("RETIARII_STORAGE"))


def default_place() -> str:
    """Return the name of the default store."""
    from retiarii.storage import described

    return described(None)


@contextmanager
def opened(storage: str | None) -> Iterator[Store]:
    """Open the store that the options name, without creating one.

    Args:
        storage: The command's own option; None for the option before the command, or the default.

    Raises:
        NotFoundError: There is no store.
        StorageError: It cannot be read.
    """
    from retiarii.storage import open_store  # slow to import (SQLAlchemy), and --help does not need it

    with open_store(_SETTINGS.storage if storage is None else storage, create=False) as store:
        yield store


def damage_in(store: Store) -> dict[str | None, CorruptStoreError]:
    """Check a small store for damage; ``retiarii doctor STORE`` checks stores of any size.

    Returns:
        The damage by experiment id; under None, damage that belongs to no experiment.

    Raises:
        CorruptStoreError: The file itself is damaged.
    """
    return {err.experiment_id: err for err in store.find_damage(max_bytes=_SMALL_BYTES)}


@contextmanager
def found(storage: str | None, experiment_id: str) -> Iterator[tuple[Store, ExperimentRecord]]:
    """Open the store that the options name, and find an experiment in it.

    Raises:
        NotFoundError: There is no store, or not exactly one experiment matches.
        CorruptStoreError: The experiment is damaged.
        StorageError: The store cannot be read.
    """
    with opened(storage) as store:
        damage = damage_in(store)
        record = store.find_experiment(experiment_id)
        for whose in (None, record.id):
            if whose in damage:
                raise damage[whose]
        yield store, record
