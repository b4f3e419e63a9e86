"""The drawing of an experiment in a file of its folder, for stores that have no other place for it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from retiarii._plain_data import encode_json
from retiarii.errors import CorruptStoreError, StorageError

_NAME = "drawing.json"


def write(folder: Path, drawing: dict[str, Any]) -> None:
    """Write a drawing, replacing an earlier one; the file is never seen half written.

    Raises:
        ConfigError: The drawing is not plain JSON data.
        StorageError: The file cannot be written.
    """
    text = encode_json("drawing of an experiment", drawing)
    path = folder / _NAME
    new = path.with_name(f"{_NAME}.{os.getpid()}")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError as err:
        raise StorageError(f"The drawing {str(path)!r} cannot be written: {err.strerror or err}.") from err


def read(folder: Path, experiment_id: str) -> dict[str, Any] | None:
    """Return the drawing in a folder, or None.

    Raises:
        CorruptStoreError: The file is not a JSON object.
        StorageError: The file cannot be read.
    """
    path = folder / _NAME
    try:
        parsed = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as err:
        raise StorageError(f"The drawing {str(path)!r} cannot be read: {err.strerror or err}.") from err
    except ValueError as err:
        raise _damaged(path, str(err), experiment_id) from err
    if not isinstance(parsed, dict):
        raise _damaged(path, "expected a JSON object", experiment_id)
    return parsed


def _damaged(path: Path, found: str, experiment_id: str) -> CorruptStoreError:
    return CorruptStoreError(
        f"The drawing {str(path)!r} is damaged ({found}). Delete the file: the next run of the experiment writes it "
        "again.",
        experiment_id=experiment_id,
    )
