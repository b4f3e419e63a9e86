"""The files of one trial: their list, and parts of them. No path leads out of its folder, and links are refused."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from retiarii.errors import NotFoundError
from retiarii.storage import Store

MOST_FILES = 1000
"""The maximum number of files that are listed."""

LAST_BYTES = 64 * 2**10
"""How much of a text is shown: its end."""


@dataclass(frozen=True)
class TrialFile:
    """A file of a trial.

    Attributes:
        name: Its path inside the folder, with slashes.
        size_bytes: Its size.
        modified: The Unix time of its last change, in seconds.
        is_checkpoint: Whether it holds the weights of the trial's network.
    """

    name: str
    size_bytes: int
    modified: float
    is_checkpoint: bool


@dataclass(frozen=True)
class TextPart:
    """A part of a text file.

    Attributes:
        text: The text; bytes that are not UTF-8 are replaced.
        start: The position of its first byte in the file.
        end: The position after its last byte.
        size_bytes: The size of the file.
    """

    text: str
    start: int
    end: int
    size_bytes: int


def list_files(store: Store, experiment_id: str, number: int) -> list[TrialFile]:
    """Return the files of a trial by name, links left out.

    Raises:
        NotFoundError: The experiment or the trial does not exist.
        StorageError: The folder of the experiment is a link, or has one.
    """
    store.get_trial(experiment_id, number)
    files = store.trial_files(experiment_id)
    folder, checkpoint = files.folder(number), files.checkpoint(number)
    found: list[TrialFile] = []
    if folder.is_symlink() or files.root.is_symlink():
        return found
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(where, name)
            if len(found) < MOST_FILES and path.is_file() and not path.is_symlink():
                status = path.stat()
                shown = path.relative_to(folder).as_posix()
                found.append(TrialFile(shown, status.st_size, status.st_mtime, path == checkpoint))
    return found


def file_of(store: Store, experiment_id: str, number: int, name: str) -> Path:
    """Return the path of a file of a trial.

    Raises:
        NotFoundError: There is no such file, or the name leads out of the folder or through a link.
        StorageError: The folder of the experiment is a link, or has one.
    """
    store.get_trial(experiment_id, number)
    files = store.trial_files(experiment_id)
    missing = NotFoundError(f"Trial {number} of experiment {experiment_id!r} has no file {name!r}.")
    parts = name.split("/")
    if any(part in ("", ".", "..") or not _is_plain(part) for part in parts):
        raise missing
    steps = [files.root, files.folder(number)]
    for part in parts:
        steps.append(steps[-1] / part)
    try:
        is_there = not any(step.is_symlink() for step in steps) and steps[-1].is_file()
    except OSError:  # a name that is too long, or a folder that cannot be read
        is_there = False
    if not is_there:
        raise missing
    return steps[-1]


def read_part(path: Path, start: int | None = None, length: int = LAST_BYTES) -> TextPart:
    """Return a part of a text file.

    Args:
        path: The file.
        start: The position of the first byte; None for the end of the file.
        length: The maximum number of bytes.

    Raises:
        NotFoundError: The file cannot be read (any more).
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            first = max(size - length, 0) if start is None else min(start, size)
            file.seek(first)
            content = file.read(length)
    except OSError as err:
        raise NotFoundError(f"The file {path.name!r} cannot be read: {err.strerror or err}.") from err
    return TextPart(content.decode("utf-8", "replace"), first, first + len(content), size)


def _is_plain(part: str) -> bool:
    """Return whether a text is an ordinary name of a file on every system."""
    return part.isprintable() and (os.name != "nt" or not set(part) & set('\\:*?"<>|'))
