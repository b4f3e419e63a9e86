"""The folders of experiments. Ids may come from stores of other users, so an id must not lead out of the folder."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from retiarii.errors import CorruptStoreError, StorageError

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ID_RULE = "1 to 64 letters, digits, '_', '-' or '.', beginning with a letter or digit"


def is_id(text: object) -> bool:
    """Return whether a text can be the id of an experiment, which is also the name of its folder."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def folder_of(files: Path, experiment_id: str) -> Path:
    """Return the folder of an experiment, which need not exist.

    Args:
        files: The folder that holds one folder per experiment.
        experiment_id: The id of the experiment.

    Raises:
        CorruptStoreError: The id is invalid.
        StorageError: The folder, or the one that holds it, is a symbolic link, which could lead anywhere.
    """
    if not is_id(experiment_id):
        raise CorruptStoreError(f"{experiment_id!r} is not the id of an experiment: expected {ID_RULE}.")
    for folder in (files, files / experiment_id):
        if os.path.islink(folder):
            raise StorageError(
                f"{str(folder)!r} is a symbolic link, so files of experiment {experiment_id!r} would be written and "
                "deleted elsewhere. Put a real folder in its place (or mount one there)."
            )
    return files / experiment_id


def make_folder(files: Path, experiment_id: str) -> Path:
    """Make the folder of an experiment if it is missing, accessible only for this user.

    Raises:
        CorruptStoreError: The id is invalid.
        StorageError: The folder cannot be made, or is a symbolic link.
    """
    folder = folder_of(files, experiment_id)
    refuse_links(folder)
    try:
        files.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as err:
        raise StorageError(
            f"The folder {str(folder)!r} for the artefacts of experiment {experiment_id!r} cannot be made: "
            f"{err.strerror or err}. Check its permissions and the free space."
        ) from err
    return folder


def refuse_links(folder: Path) -> None:
    """Check that the folder of an experiment, into which its trials and its supernet are written, contains no links.

    Raises:
        StorageError: A file or folder in it is a symbolic link, or it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            link = next((entry.path for entry in entries if entry.is_symlink()), None)
    except (FileNotFoundError, NotADirectoryError):  # an error is raised when it is made
        return
    except OSError as err:
        raise StorageError(
            f"The folder {str(folder)!r} cannot be read: {err.strerror or err}. Check its permissions."
        ) from err
    if link is not None:
        raise StorageError(
            f"{link!r} is a symbolic link, so files of an experiment would be read, written and deleted elsewhere. Put "
            "a real folder or file in its place (or mount one there)."
        )


def remove_folder(files: Path, experiment_id: str) -> None:
    """Remove the folder of a deleted experiment, if there is one; links in it are removed, not followed.

    Raises:
        CorruptStoreError: The id is invalid.
        StorageError: The folder cannot be removed, or is a symbolic link.
    """
    folder = folder_of(files, experiment_id)
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as err:
        raise StorageError(
            f"Experiment {experiment_id!r} is deleted, but its artefacts in {str(folder)!r} are not: "
            f"{err.strerror or err}. Remove that folder by hand."
        ) from err
