"""`SavedSearches`: a file that a comparison writes search by search, and continues after an interruption."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retiarii.benchmarks.report._simulated_search import SimulatedSearch
from retiarii.errors import ConfigError

_FORMAT = "retiarii comparison 1"


class SavedSearches:
    """A file of JSON lines: what is compared, and one line for each search that has ended.

    Args:
        path: The file; None to save nothing.
        settings: What is compared.

    Attributes:
        searches: The searches that were in the file.

    Raises:
        ConfigError: The file is of another comparison, or no such file.
    """

    def __init__(self, path: Path | None, settings: Mapping[str, Any]) -> None:
        self._path = path
        self.searches: list[SimulatedSearch] = []
        if path is None:
            return
        if path.exists() and path.stat().st_size:
            found, self.searches = read_saved(path)
            expected = json.loads(json.dumps(dict(settings)))
            if different := [name for name in expected if found.get(name) != expected[name]]:
                name = different[0]
                raise ConfigError(
                    f"The comparison in {str(path)!r} has {name} {found.get(name)!r}, this one has {expected[name]!r}. "
                    "Save to another file, or delete that one."
                )
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written anew, so that a line that an interruption cut off does not stay.
        lines = [{"format": _FORMAT, **settings}, *(search.to_json() for search in self.searches)]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def add(self, search: SimulatedSearch) -> None:
        """Write a search."""
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(search.to_json()) + "\n")


def read_saved(path: Path) -> tuple[dict[str, Any], list[SimulatedSearch]]:
    """Return what is compared, and the searches so far.

    Raises:
        ConfigError: The file cannot be read, or is not a comparison.
    """
    try:
        first, *others = path.read_text().splitlines()
        settings = json.loads(first)
        if settings.pop("format") != _FORMAT:
            raise ValueError("another format")
        searches = []
        for position, line in enumerate(others):
            try:
                searches.append(SimulatedSearch.from_json(json.loads(line)))
            except json.JSONDecodeError:
                if position < len(others) - 1:
                    raise  # only the last line may be cut off, by an interruption
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise ConfigError(
            f"{str(path)!r} is not a comparison that `compare(..., save=...)` wrote ({type(err).__name__}: {err})."
        ) from err
    return settings, searches
