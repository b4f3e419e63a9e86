"""Codes of values that repeat in a column, the same for all parts of a table that is read bit by bit."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Hashable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from retiarii.analysis._trial_table import NONE, Coded

Codes = npt.NDArray[np.int32]


class ValueCodes(dict[Any, int]):
    """The codes of the values of one column; looking up a new value gives it the next code.

    Args:
        of: What makes a value from what is looked up; None for the same.
    """

    def __init__(self, of: Callable[[Any], Any] | None = None) -> None:
        super().__init__({None: NONE})
        self._of = of
        self._values: list[Any] = []

    def __missing__(self, key: Any) -> int:
        self._values.append(key if self._of is None else self._of(key))
        self[key] = code = len(self._values) - 1
        return code

    def column(self, codes: Codes, earlier: Coded | None = None) -> Coded:
        """Return a column; it shares the values of an earlier one if there are no new ones."""
        if earlier is not None and len(earlier.values) == len(self._values):
            return Coded(codes, earlier.values)
        return Coded(codes, tuple(self._values))

    def of(self, keys: Sequence[Hashable]) -> Codes:
        """Return the codes of some values."""
        return np.fromiter(map(self.__getitem__, keys), np.int32, len(keys))


class ChoiceCodes:
    """The codes of the values that architectures choose, by label.

    Architectures come as canonical JSON, and few of its *pieces*, ``"label":value``, differ between trials. A text is
    split where a comma and a quotation mark follow each other, and each piece is parsed once. Where such a place is
    inside a list or a text, its first part is not JSON, and the whole text is parsed instead.
    """

    def __init__(self) -> None:
        self._pieces = _Pieces()

    def of(self, texts: Sequence[str]) -> dict[str, Codes]:
        """Return for each label the codes of its values, one for each text; -1 where it is not active.

        Raises:
            ValueError: A text is no JSON object.
        """
        pieces = [text[2:-1].split(_BETWEEN) for text in texts]
        rows, labels, codes = self._coded(pieces)
        if (labels == _BROKEN).any():
            for row in np.unique(rows[labels == _BROKEN]):
                pieces[row] = _parsed_pieces(texts[row])
            rows, labels, codes = self._coded(pieces)
            if (labels == _BROKEN).any():
                raise ValueError("an architecture is no JSON object")
        found = np.full((len(self._pieces.labels), len(texts)), NONE, np.int32)
        is_choice = labels >= 0
        found[labels[is_choice], rows[is_choice]] = codes[is_choice]
        return dict(zip(self._pieces.labels, found, strict=True))

    def column(self, label: str, codes: Codes, earlier: Coded | None = None) -> Coded:
        """Return a column; it shares the values of an earlier one if there are no new ones."""
        values = self._pieces.distinct[self._pieces.labels[label]]
        if earlier is not None and len(earlier.values) == len(values):
            return Coded(codes, earlier.values)
        return Coded(codes, tuple(values))

    def _coded(self, pieces: Sequence[Sequence[str]]) -> tuple[npt.NDArray[np.intp], Codes, Codes]:
        """Return for each piece its row, the place of its label and the code of its value."""
        lengths = np.fromiter(map(len, pieces), np.intp, len(pieces))
        all_pieces = chain.from_iterable(pieces)
        places = np.fromiter(map(self._pieces.__getitem__, all_pieces), np.intp, int(lengths.sum()))
        labels, codes = np.array(self._pieces.label_of, np.int32), np.array(self._pieces.code_of, np.int32)
        return np.repeat(np.arange(len(pieces)), lengths), labels[places], codes[places]


_DECODE = json.JSONDecoder().raw_decode
_BETWEEN = ',"'  # what is between the pieces
_EMPTY, _BROKEN = -1, -2  # in the place of labels: the architecture without choices; no JSON


class _Pieces(dict[str, int]):
    """The distinct pieces, in order, with the place of their label and the code of their value among its values."""

    def __init__(self) -> None:
        super().__init__({"": 0})
        self.label_of, self.code_of = array("i", [_EMPTY]), array("i", [NONE])
        self.labels: dict[str, int] = {}
        self.distinct: list[list[Any]] = []  # the values of each label
        self._known: dict[str, int] = {}  # labels as they are in pieces

    def __missing__(self, piece: str) -> int:
        label, code = self._read(piece)
        self.label_of.append(label)
        self.code_of.append(code)
        self[piece] = place = len(self.label_of) - 1
        return place

    def _read(self, piece: str) -> tuple[int, int]:
        name, _, text = piece.partition('":')
        place = self._known.get(name, -1)
        try:
            value, end = _DECODE(text)
            if place < 0:
                place = self._known[name] = self._place(json.loads(f'"{name}"'))
        except ValueError:
            end = -1
        if end != len(text):  # part of a list or text, or a label in which the separator occurs
            try:
                [(label, value)] = json.loads(f'{{"{piece}}}').items()
            except ValueError:
                return _BROKEN, NONE
            place = self._place(label)
        values = self.distinct[place]
        values.append(_hashable(value))
        return place, len(values) - 1

    def _place(self, label: str) -> int:
        if label not in self.labels:
            self.labels[label] = len(self.distinct)
            self.distinct.append([])
        return self.labels[label]


def _parsed_pieces(text: str) -> list[str]:
    parsed = json.loads(text)
    if not isinstance(parsed, dict):
        raise ValueError("expected a JSON object")
    encode = json.JSONEncoder(separators=(",", ":")).encode
    return [f"{encode(label)[1:]}:{encode(value)}" for label, value in parsed.items()] or [""]


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value
