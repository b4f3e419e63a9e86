"""`json_items`: the items of a large JSON file one by one, in bounded memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import IO, Any

_CHUNK = 1 << 18
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
_WRONG = (RecursionError, UnicodeDecodeError, ValueError)


class JsonDamageError(ValueError):
    """A file is not JSON, or not of the expected form."""


def json_items(file: IO[bytes], *, max_item_bytes: int, max_bytes: int) -> Iterator[Any]:
    """Yield the items of a list, or of all lists of a dict of lists.

    Args:
        file: The file, in UTF-8, with or without its mark.
        max_item_bytes: The largest item that is read into memory; a larger one is an attack on it.
        max_bytes: The largest file.

    Raises:
        JsonDamageError: The file is truncated, is not such JSON or is too large.
    """
    reader = _JsonPieces(file, max_item_bytes, max_bytes)
    if reader.take("["):
        yield from _items_of_list(reader)
    elif reader.take("{"):
        for number in range(1_000):
            if reader.take("}"):
                break
            if number:
                reader.need(",")
            if not isinstance(reader.value(), str):
                raise JsonDamageError("a key is not a text")
            reader.need(":")
            reader.need("[")
            yield from _items_of_list(reader)
    else:
        raise JsonDamageError("expected a list, or a dict of lists")
    reader.end()


def _items_of_list(reader: _JsonPieces) -> Iterator[Any]:
    is_first = True
    while not reader.take("]"):
        if not is_first:
            reader.need(",")
        yield reader.value()
        is_first = False


class _JsonPieces:
    """The rest of a text that is read in pieces.

    Args:
        file: The file.
        max_item_bytes: The largest value.
        max_bytes: The largest file.
    """

    def __init__(self, file: IO[bytes], max_item_bytes: int, max_bytes: int) -> None:
        self._file, self._max_item, self._max = file, max_item_bytes, max_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text, self._at, self._num_read, self._is_over = "", 0, 0, False

    def take(self, character: str) -> bool:
        """Skip a character if it comes next."""
        if self._next() != character:
            return False
        self._at += 1
        return True

    def need(self, character: str) -> None:
        """Skip a character.

        Raises:
            JsonDamageError: Another one comes next, or none.
        """
        if not self.take(character):
            raise self._damage(f"expected {character!r}")

    def value(self) -> Any:
        """Return the next value.

        Raises:
            JsonDamageError: It is damaged or too large.
        """
        self._next()
        while True:
            try:
                found, at = _DECODER.raw_decode(self._text, self._at)
            except _WRONG as err:
                if self._is_over or isinstance(err, RecursionError):
                    raise self._damage(str(err)) from err
            else:
                if at < len(self._text) or self._is_over:  # a number at the end may go on in the next piece
                    self._at = at
                    return found
            if len(self._text) - self._at > self._max_item:
                raise self._damage(f"one item is larger than {self._max_item // 2**20} MiB")
            self._read(len(self._text) - self._at)

    def end(self) -> None:
        """Check that nothing more comes.

        Raises:
            JsonDamageError: Something does.
        """
        if self._next():
            raise self._damage("expected the end of the file")

    def _next(self) -> str:
        """Return the next character that is not white space; nothing at the end."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if self._is_over:
                return ""
            self._read(0)

    def _read(self, size: int) -> None:
        """Read at least as many bytes again as there are, so that a large item is not decoded again and again."""
        data = self._file.read(max(_CHUNK, size))
        self._num_read += len(data)
        if self._num_read > self._max:
            raise self._damage(f"the file is larger than {self._max // 2**20:,} MiB")
        self._is_over = not data
        try:
            more = self._decoder.decode(data, self._is_over)
        except UnicodeDecodeError as err:
            raise self._damage(str(err)) from err
        self._text, self._at = self._text[self._at :] + more, 0

    def _damage(self, reason: str) -> JsonDamageError:
        return JsonDamageError(f"{reason[:200]}, near byte {self._num_read - len(self._text) + self._at:,}")
