"""`Transfer`: one file over http, with resumption after the connection was cut."""

from __future__ import annotations

import shutil
import time
import urllib.error
from collections.abc import Callable
from http.client import HTTPException

from retiarii.benchmarks._tables._downloading.http_file import HttpPart, open_http
from retiarii.benchmarks._tables._downloading.part_file import PartFile
from retiarii.benchmarks._tables.download import Download
from retiarii.benchmarks._tables.download_address import shown_address
from retiarii.errors import BenchmarkError

MAX_BYTES = 64 * 2**30
"""No published file is larger (NATS-Bench's archives have 1 to 2 GB)."""

_CHUNK = 1 << 20
_MAX_ATTEMPTS = 5
_PAUSE_S = 0.5


class _CutError(Exception):
    """The connection ended before the file did."""


class Transfer:
    """Fetch a file into a `PartFile`.

    Args:
        url: The address, which has been checked.
        part: What has arrived.
        file: The published file.
        how_to_build: The command that builds the table from a file fetched by hand.
        expected: The checksum; with it, bytes are kept whose version is unknown.
        on_progress: Called with the name, the bytes so far and in all.
    """

    def __init__(
        self,
        url: str,
        part: PartFile,
        file: Download,
        how_to_build: str,
        *,
        expected: str,
        on_progress: Callable[[str, int, int | None], None] | None,
    ) -> None:
        self._url, self._part, self._file, self._how = url, part, file, how_to_build
        self._expected, self._on_progress = expected, on_progress

    def run(self) -> None:
        """Fetch the file, or the rest of it.

        Raises:
            BenchmarkError: The server cannot be reached, refuses or sends something else.
            OSError: The disk is full, or the folder cannot be written.
        """
        attempts, is_first = 0, True
        while True:
            before = self._part.size()
            try:
                return self._attempt()
            except urllib.error.HTTPError as err:
                err.close()
                raise self._failure(f"the server answers {err.code} {err.reason}") from None
            except (_CutError, urllib.error.URLError) as err:
                attempts = 1 if self._part.size() > before else attempts + 1
                never_there = is_first and isinstance(err, urllib.error.URLError)
                if never_there or attempts >= _MAX_ATTEMPTS:
                    raise self._failure(str(getattr(err, "reason", err))) from err
            is_first = False
            time.sleep(_PAUSE_S * attempts)

    def _attempt(self) -> None:
        known, start = self._part.known(), self._part.size()
        if known is None or not (known[0] or self._expected):
            start = 0  # nothing would tell whether the rest is from the same version
        with open_http(self._url, start, known[0] if known else "") as answer:
            self._check(answer)
            if answer.start != start or (start and known and _is_other(answer, *known)):
                # Another version of the file, or a server that sends no parts.
                if answer.start:
                    self._part.begin("", None)
                    raise _CutError("the file on the server has changed")
                start = 0
            if not start:
                self._part.begin(answer.tag, answer.total)
            if answer.response is not None:
                self._receive(answer, start)
            elif answer.total not in (None, start):
                self._part.begin("", None)
                raise _CutError("the file on the server has changed")

    def _receive(self, answer: HttpPart, start: int) -> None:
        assert answer.response is not None
        done = start
        with self._part.path.open("ab") as file:
            while True:
                try:
                    chunk = answer.response.read(_CHUNK)
                except (HTTPException, OSError, ValueError) as err:  # a ValueError for a chunk of a negative size
                    raise _CutError(f"the connection was cut after {done:,} bytes") from err
                if not chunk:
                    break
                done += len(chunk)
                if done > (answer.total or MAX_BYTES):
                    raise self._failure(f"the server sends more than {answer.total or MAX_BYTES:,} bytes")
                file.write(chunk)
                if self._on_progress is not None:
                    self._on_progress(self._file.name, done, answer.total)
        if answer.total is not None and done < answer.total:
            raise _CutError(f"the connection was cut after {done:,} of {answer.total:,} bytes")
        if not done:
            raise self._failure("the server sends an empty file")

    def _check(self, answer: HttpPart) -> None:
        """Refuse what is not the file, or does not fit the disk, before the first byte is stored."""
        total, expected = answer.total, self._file.size_bytes
        if answer.is_page:
            raise self._failure("the server sends a web page instead of the file")
        if total is None:
            return
        if total > MAX_BYTES or (expected is not None and total != expected):
            raise self._failure(f"the file there has {total:,} bytes, expected {expected or MAX_BYTES:,}")
        folder = self._part.target.parent
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if total - answer.start > free:
            raise BenchmarkError(
                f"{self._file.name} needs {total - answer.start:,} more bytes in {str(folder)!r}, which has {free:,} "
                "left. Make room, or choose another folder."
            )

    def _failure(self, reason: str) -> BenchmarkError:
        kept = self._part.size()
        resumed = f" {kept:,} bytes are kept: run the same command again to continue." if kept else ""
        return BenchmarkError(
            f"{self._file.name} cannot be fetched from {shown_address(self._url)}: {reason}.{resumed} Another "
            "place can be named with --from. Or fetch the file by hand, on another machine if this one has no network, "
            f"and build the table from it: {self._how}"
        )


def _is_other(answer: HttpPart, tag: str, total: int | None) -> bool:
    """Return whether an answer is from another version of a file than the bytes that are there.

    Not every server heeds ``If-Range``.
    """
    return total not in (None, answer.total) or bool(tag and answer.tag and answer.tag != tag)
