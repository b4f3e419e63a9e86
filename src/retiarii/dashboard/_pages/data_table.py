"""`DataTable`: a table that is sorted and paged on the server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nicegui import run
from nicegui.element import Element
from nicegui.events import GenericEventArguments

from retiarii._visible import visible_line
from retiarii.dashboard._pages.blocks import class_of


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        key: Its name in queries.
        label: Its heading.
        numeric: Whether it holds numbers: right-aligned, and largest first when it is sorted for the first time.
        sortable: Whether its heading is a button that sorts.
        hint: A sentence that is shown over the heading.
    """

    key: str
    label: str
    numeric: bool = False
    sortable: bool = True
    hint: str = ""


@dataclass(frozen=True)
class TableCell:
    """What a cell shows; a plain string stands for a cell with that text.

    Attributes:
        text: Its text.
        href: The address that the text links to.
        badge: The state that the text is shown as.
        note: A smaller second line.
        hint: The whole text, where it is cut, shown over the cell.
        look: Classes of ``look.css``, as in ``"clip mono"``.
        share: A number between 0 and 1, shown as a bar before the text.
        tags: Words beside the text.
    """

    text: str
    href: str = ""
    badge: str = ""
    note: str = ""
    hint: str = ""
    look: str = ""
    share: float | None = None
    tags: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the fields that are set, with control characters escaped."""
        shown: dict[str, Any] = {
            "text": visible_line(self.text),
            "note": visible_line(self.note),
            "hint": visible_line(self.hint),
            "href": self.href,
            "badge": self.badge and class_of(self.badge),
            "look": self.look,
            "tags": [visible_line(tag) for tag in self.tags],
        }
        filled = {name: value for name, value in shown.items() if value or name == "text"}
        return filled if self.share is None else {**filled, "share": min(max(self.share, 0.0), 1.0)}


@dataclass(frozen=True)
class TableRow:
    """A row of a table.

    Attributes:
        key: What identifies it, as in the number of a trial.
        cells: Its cells, one for each column; the first is the heading of the row.
        look: Classes of ``look.css``, as in ``"different"``.
    """

    key: str
    cells: Sequence[TableCell | str]
    look: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the row as the browser gets it."""
        cells = [(TableCell(cell) if isinstance(cell, str) else cell).to_json() for cell in self.cells]
        return {"key": self.key, "name": cells[0]["text"], "cells": cells, "look": self.look}


@dataclass(frozen=True)
class TableQuery:
    """The part of a table that is shown.

    Attributes:
        sort: The key of the column that it is sorted by.
        descending: Whether the largest come first.
        offset: The number of rows before the first shown.
        limit: The number of rows of a page.
    """

    sort: str
    descending: bool
    offset: int
    limit: int


@dataclass(frozen=True)
class TableRows:
    """The answer to a query.

    Attributes:
        rows: The rows of the page.
        total: The number of rows on all pages.
    """

    rows: Sequence[TableRow]
    total: int


class DataTable(Element, component="data_table.js"):
    """A table that shows one page at a time; sorting and paging ask ``load``.

    The table is empty until ``await table.refresh()``.

    Args:
        caption: What the table shows, for screen readers.
        columns: The columns.
        load: Returns the rows of a query. It runs in a thread, and never twice at a time for one table.
        sort: The key of the column that it is sorted by at first.
        descending: Whether the largest come first at first.
        offset: The number of rows before the first shown at first.
        limit: The number of rows of a page.
        empty: A sentence for a table without rows.
        on_choose: Called with the keys of the chosen rows; without it, rows cannot be chosen.
        on_query: Called with the query after each load, whose rows are shown now.
    """

    def __init__(
        self,
        caption: str,
        columns: Sequence[Column],
        load: Callable[[TableQuery], TableRows],
        *,
        sort: str = "",
        descending: bool = False,
        offset: int = 0,
        limit: int = 50,
        empty: str = "Nothing to show.",
        on_choose: Callable[[list[str]], None] | None = None,
        on_query: Callable[[TableQuery], None] | None = None,
    ) -> None:
        super().__init__()
        self._load = load
        self._on_choose, self._on_query = on_choose, on_query
        self._sortable = {column.key for column in columns if column.sortable}
        self._query = TableQuery(sort, descending, offset - offset % limit, limit)
        self._is_loading = self._is_stale = False
        self.props["caption"] = visible_line(caption)
        self.props["columns"] = [{**asdict(column), "label": visible_line(column.label)} for column in columns]
        self.props["empty"] = empty
        self.props["selectable"] = on_choose is not None
        self.props["chosen"] = []
        self._show(TableRows([], 0))
        self.on("query", self._ask)
        self.on("choose", self._choose)

    @property
    def query(self) -> TableQuery:
        """The part of the table that is shown."""
        return self._query

    async def refresh(self, *, from_start: bool = False) -> None:
        """Load the rows again.

        Args:
            from_start: Whether to show the first page, as after a change of a filter.
        """
        if from_start:
            self._query = TableQuery(self._query.sort, self._query.descending, 0, self._query.limit)
        if self._is_loading:
            self._is_stale = True  # the load that runs is followed by another
            return
        self._is_loading = True
        try:
            self._is_stale = True
            while self._is_stale:
                self._is_stale = False
                await self._load_once()
        finally:
            self._is_loading = False

    async def _load_once(self) -> None:
        found = await run.io_bound(self._load, self._query)
        if found is None:  # the server is shutting down
            return
        if self._query.offset and self._query.offset >= found.total:  # rows have gone
            self._query = TableQuery(self._query.sort, self._query.descending, 0, self._query.limit)
            found = await run.io_bound(self._load, self._query) or found
        if not self.is_deleted:
            self._show(found)
            if self._on_query is not None:
                self._on_query(self._query)

    def _show(self, found: TableRows) -> None:
        query = self._query
        with self.props.suspend_updates():
            self.props["rows"] = [row.to_json() for row in found.rows]
            self.props["total"] = found.total
            self.props["offset"], self.props["limit"] = query.offset, query.limit
            self.props["sort"], self.props["descending"] = query.sort, query.descending
            self.props["busy"] = False
        self.update()

    async def _ask(self, event: GenericEventArguments) -> None:
        asked = event.args if isinstance(event.args, dict) else {}
        sort, offset = asked.get("sort"), asked.get("offset")
        if sort not in self._sortable:
            sort = self._query.sort
        if not isinstance(offset, int) or not 0 <= offset < 2**53:
            offset = 0
        limit = self._query.limit
        self._query = TableQuery(sort, asked.get("descending") is True, offset - offset % limit, limit)
        self.props["busy"] = True
        await self.refresh()

    def _choose(self, event: GenericEventArguments) -> None:
        asked = event.args.get("chosen") if isinstance(event.args, dict) else None
        chosen = [key for key in asked if isinstance(key, str)] if isinstance(asked, list) else []
        self.props["chosen"] = chosen
        if self._on_choose is not None:
            self._on_choose(chosen)
