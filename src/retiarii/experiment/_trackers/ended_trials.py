"""`EndedTrials`: the file with the numbers of the trials that were logged to their end."""

from __future__ import annotations

from pathlib import Path


class EndedTrials:
    """A text file with the numbers of trials, one per line; a resume reads it so that no trial is logged twice.

    Args:
        path: The file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def numbers(self) -> set[int]:
        """Return the numbers; a line that was cut off by a crash is ignored."""
        if not self._path.exists():
            return set()
        lines = self._path.read_text("ascii", errors="replace").split("\n")[:-1]
        return {int(line) for line in lines if line.isdecimal()}

    def add(self, number: int) -> None:
        """Add the number of a trial."""
        with self._path.open("a", encoding="ascii") as file:
            file.write(f"{number}\n")
