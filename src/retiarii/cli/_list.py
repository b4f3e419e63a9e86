"""``retiarii list``."""

from __future__ import annotations

from typing import Any

from retiarii.cli._context import JsonOption, StorageOption, default_place, names_a_store, opened
from retiarii.cli._json import experiment_json, print_json
from retiarii.cli._text import LABEL_STYLE, STATE_STYLES, age_text, console, number_text, plain_table
from retiarii.errors import NotFoundError
from retiarii.terminal import Text, joined, plain, visible_line


def list_experiments(storage: StorageOption = None, as_json: JsonOption = False) -> None:
    """List experiments, the newest first."""
    try:
        with opened(storage) as store:
            rows = [experiment_json(store, record) for record in reversed(store.list_experiments())]
            where = store.where
    except NotFoundError:
        if names_a_store(storage):
            raise
        rows, where = [], default_place()  # nobody has run anything yet
    if as_json:
        print_json(rows)
    else:
        _print(rows, where)


def _print(rows: list[dict[str, Any]], where: str) -> None:
    out = console()
    if rows:
        table = plain_table("id", "state", "trials", "best", "updated", "name", right=("best",))
        for row in rows:
            table.add_row(*_cells(row))
        out.print(table)
        out.print()
        out.print(joined(("retiarii show ID tells more.  Kept in ", LABEL_STYLE), visible_line(where)), soft_wrap=True)
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
