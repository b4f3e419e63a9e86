"""`TrialFiles`: one folder for each trial's files, such as its weights."""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
"""The file in a trial's folder that holds the weights of its network: a ``state_dict``, written by ``torch.save``."""

CHECKPOINT_OF_KERAS = "checkpoint.weights.h5"
"""The file with the weights of a Keras model, in Keras's own format."""

SPARE = "spare"
"""The name of an empty folder beside those of the trials, which is renamed for the next trial."""

_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_REMOVED = ".removed"  # at the end of the name of a folder that is being removed
_CONTINUABLE = "continuable"  # a file with the numbers of trials whose files others could continue from, one per line


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # it was removed meanwhile
        return 0


class TrialFiles:
    """The folders of an experiment's trials: ``trials/0``, ``trials/1``, ... A trial without files has no folder.

    Args:
        directory: The folder of the experiment.

    Attributes:
        root: The parent folder of the trials' folders.
    """

    def __init__(self, directory: Path) -> None:
        self.root = directory / "trials"
        self._root = str(self.root)  # making a Path for each trial takes longer than the check itself

    def folder(self, number: int) -> Path:
        """Return the folder of a trial, which may not exist."""
        return self.root / str(number)

    def kept(self, number: int) -> Path | None:
        """Return the folder of a trial; None if it does not exist."""
        return self.folder(number) if os.path.isdir(f"{self._root}/{number}") else None

    def checkpoint(self, number: int) -> Path | None:
        """Return the file with the weights of a trial's network; None if it does not exist."""
        paths = (self.folder(number) / name for name in (CHECKPOINT, CHECKPOINT_OF_KERAS))
        return next((path for path in paths if path.is_file()), None)

    def numbers(self) -> list[int]:
        """Return the numbers of the trials that have a folder."""
        try:
            names = [entry.name for entry in self.root.iterdir()]
        except FileNotFoundError:
            return []
        return sorted(int(name) for name in names if _NUMBER.fullmatch(name))

    def size_bytes(self, number: int | None = None) -> int:
        """Return the total size of the files of one trial, or of all trials; links are not followed."""
        folder = self.root if number is None else self.folder(number)
        return sum(_size(Path(where, name)) for where, _, names in os.walk(folder) for name in names)

    def remove(self, number: int) -> None:
        """Remove the folder of a trial, if it exists; log a warning for files that cannot be removed.

        The folder is renamed first, so that a half-removed folder is never read, even if this process is killed.
        """
        folder = self.folder(number)
        try:
            if folder.is_symlink():
                folder.unlink()
            else:
                aside = folder.with_name(folder.name + _REMOVED)
                folder.rename(aside)
                shutil.rmtree(aside)
        except FileNotFoundError:
            pass
        except OSError as error:
            logger.warning("The files of trial %d cannot be removed (%s): %s", number, error.strerror or error, folder)

    def keep_only(self, numbers: Collection[int]) -> None:
        """Remove the folders of all other trials."""
        for number in self.numbers():
            if number not in numbers:
                self.remove(number)
        for left in self.root.glob(f"*{_REMOVED}"):
            shutil.rmtree(left, ignore_errors=True)
        with suppress(OSError):  # there is none
            (self.root / SPARE).rmdir()

    def note_continuable(self, number: int) -> None:
        """Record that a finished trial has files that others may continue from; the record outlasts the files."""
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            file = os.open(self.root / _CONTINUABLE, flags, 0o600)
            try:
                os.write(file, b"%d\n" % number)
            finally:
                os.close(file)
        except OSError as error:
            logger.warning("Cannot note that trial %d has files (%s): %s", number, error.strerror or error, self.root)

    def noted_continuable(self) -> set[int]:
        """Return the numbers recorded by `note_continuable`."""
        try:
            lines = (self.root / _CONTINUABLE).read_text(encoding="ascii", errors="replace").split("\n")
        except OSError:  # there is none
            return set()
        return {int(line) for line in lines[:-1] if _NUMBER.fullmatch(line)}  # the last is empty, or half a line
