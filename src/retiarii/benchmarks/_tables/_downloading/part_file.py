"""`PartFile`: what has arrived of a download, beside the place where the whole file will be."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

_CHUNK = 1 << 20


class PartFile:
    """The first bytes of a file, with a note of the address and the version that they are from.

    Args:
        target: The place of the whole file.
        url: The address.
    """

    def __init__(self, target: Path, url: str) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.json")
        self._origin = hashlib.sha256(url.encode()).hexdigest()  # the address itself may have a secret in it

    def size(self) -> int:
        """Return how many bytes have arrived."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def known(self) -> tuple[str, int | None] | None:
        """Return the tag and the whole size of the version that the bytes are from; None if that is unknown."""
        try:
            note = json.loads(self._note.read_text())
            if note["origin"] != self._origin:
                return None
            return str(note["tag"]), None if note["total"] is None else int(note["total"])
        except (KeyError, OSError, TypeError, ValueError):
            return None

    def begin(self, tag: str, total: int | None) -> None:
        """Forget the bytes that are there, and note where the next ones are from."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._note.write_text(json.dumps({"origin": self._origin, "tag": tag, "total": total}))
        self.path.open("wb").close()

    def finish(self) -> None:
        """Give the whole file its name."""
        os.replace(self.path, self.target)
        self._note.unlink(missing_ok=True)

    def reject(self) -> Path:
        """Move the file away, so that the next download begins anew, and return the new place."""
        rejected = self.target.with_name(f"{self.target.name}.rejected")
        os.replace(self.path, rejected)
        self._note.unlink(missing_ok=True)
        return rejected


def sha256_of(path: Path) -> str:
    """Return the SHA-256 checksum of a file in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
