"""Files that trainings write: error messages, and files that are written atomically."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from retiarii.errors import EvaluatorError


@contextmanager
def writing_explained(what: str, path: Path) -> Iterator[None]:
    """Convert an OSError in the block, such as that of a full disk, to an error that names the file.

    Args:
        what: The content of the file, for the message.
        path: The file.

    Raises:
        EvaluatorError: An OSError was raised in the block.
    """
    try:
        yield
    except OSError as error:
        raise EvaluatorError(
            f"{what} cannot be written to {path}: {error.strerror or error}. Make room on the disk, or keep the files "
            "of fewer trials (config.keep_checkpoints, config.checkpoint_limit)."
        ) from error


@contextmanager
def replacing(path: Path, what: str) -> Iterator[BinaryIO]:
    """Write a file; it replaces the old one atomically if the block ends without an error.

    Args:
        path: The file; its folder is made.
        what: The content of the file, for the message.

    Raises:
        EvaluatorError: The file cannot be written; no partial file stays.
    """
    partial = path.with_name(f"partial-{path.name}")
    with writing_explained(what, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                yield file
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
