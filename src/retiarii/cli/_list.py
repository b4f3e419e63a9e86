"""``retiarii list``: list the experiments of a store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from retiarii._readable import age_text, number_text
from retiarii.cli._json_output import experiment_json, print_json
from retiarii.cli._store_access import JsonOption, StorageOption, damage_in, default_place, names_a_store, opened
from retiarii.cli._text import LABEL_STYLE, STATE_STYLES, console, error_console, plain_table
from retiarii.errors import CorruptStoreError, NotFoundError
from retiarii.terminal import Text, joined, plain, visible_line

if TYPE_CHECKING:
    from retiarii.storage import Store

EXIT_DAMAGED = 1


def list_experiments(storage: StorageOption = None, as_json: JsonOption = False) -> None:
    """List experiments, the newest first.

    The exit code is 1 if an experiment is damaged; the others are listed anyway.
    """
    damage: dict[str | None, CorruptStoreError] = {}
    try:
        with opened(storage) as store:
            damage = damage_in(store)
            rows, where = list(_rows(store, damage)), store.where
    except NotFoundError:
        if names_a_store(storage):
            raise
        rows, where = [], default_place()  # there is no store yet
    if as_json:
        print_json(rows)
    else:
        _print(rows, where)
    for err in damage.values():
        error_console().print(joined(("Error: ", "bold red"), str(err)), soft_wrap=True)
    if damage:
        raise typer.Exit(EXIT_DAMAGED)


def _rows(store: Store, damage: dict[str | None, CorruptStoreError]) -> Iterator[dict[str, Any]]:
    """Yield the readable experiments, and record the damage of the others."""
    for record in reversed(store.scan_experiments()):
        if isinstance(record, CorruptStoreError):
            damage.setdefault(record.experiment_id, record)
        elif record.id not in damage:
            try:
                row = experiment_json(store, record)
            except CorruptStoreError as err:
                damage[record.id] = err
            else:
                yield row


def _print(rows: list[dict[str, Any]], where: str) -> None:
    out = console()
    if rows:
        table = plain_table("id", "state", "trials", "best", "updated", "name", right=("best",))
        for row in rows:
            table.add_row(*_cells(row))
        out.print(table)
        out.print()
        out.print(
            joined(("More about one: retiarii show ID.  Stored in ", LABEL_STYLE), visible_line(where)), soft_wrap=True
        )
    else:
        out.print(plain(f"No experiments yet in {visible_line(where)}. Try `retiarii demo`."), soft_wrap=True)


def _cells(row: dict[str, Any]) -> tuple[Text | str, ...]:
    trials = row["trials"]
    done = trials["completed"] + trials["pruned"] + trials["failed"]
    count = plain(f"{done:,}")
    if trials["failed"]:
        count.append(f" ({trials['failed']:,} failed)", style="red")
    return (
        plain(row["id"], style="bold"),
        plain(row["state"], style=STATE_STYLES[row["state"]]),
        count,
        number_text(row["best"]["metric"] if row["best"] else None),
        age_text(row["updated"]),
        plain(visible_line(row["name"])),
    )
