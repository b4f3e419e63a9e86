"""`check_pickle`: refuse a pickle whose reading takes far more memory or time than its size, before it is read.

Python's unpickler trusts sizes that are written in a pickle, and makes objects that are much larger than their codes: a
memo index of two billion takes 16 GiB, a byte array allocates any size, an empty dict is one byte. A tuple may hold an
earlier tuple twice, and so on: to hash it as the key of a dict takes exponential time. Long integers can have the same
hash, by which a dict of them takes quadratic time. The check walks over the codes once, without making objects.
"""

from __future__ import annotations

import pickle

_CODE_BYTES = 8  # of a pickle for each container in it; published ones have more than 12
_MIN_CONTAINERS, _MAX_CONTAINERS = 1_000, 2_000_000
_MAX_INTEGER_BYTES = 9  # an unsigned number of 64 bits
_MAX_SHARED_TUPLES = 20  # hashing takes at most 3 ** 20 / 3 steps or so

# Codes with arguments of a fixed size: the bytes of the code with its argument.
_SIZES = {
    **dict.fromkeys((pickle.BINFLOAT, pickle.FRAME), 9),
    **dict.fromkeys((pickle.BININT, pickle.LONG_BINGET, pickle.LONG_BINPUT), 5),
    pickle.BININT2: 3,
    **dict.fromkeys((pickle.PROTO, pickle.BININT1, pickle.BINGET, pickle.BINPUT), 2),
    **dict.fromkeys(
        (
            pickle.APPEND,
            pickle.APPENDS,
            pickle.BUILD,
            pickle.EMPTY_DICT,
            pickle.EMPTY_LIST,
            pickle.EMPTY_TUPLE,
            pickle.MARK,
            pickle.MEMOIZE,
            pickle.NEWFALSE,
            pickle.NEWOBJ,
            pickle.NEWTRUE,
            pickle.NONE,
            pickle.REDUCE,
            pickle.SETITEM,
            pickle.SETITEMS,
            pickle.STACK_GLOBAL,
            pickle.STOP,
            pickle.TUPLE,
            pickle.TUPLE1,
            pickle.TUPLE2,
            pickle.TUPLE3,
        ),
        1,
    ),
}
# Codes with a length before their argument: the bytes of that length.
_LENGTHS = {
    **dict.fromkeys((pickle.SHORT_BINUNICODE, pickle.SHORT_BINBYTES, pickle.SHORT_BINSTRING, pickle.LONG1), 1),
    **dict.fromkeys((pickle.BINUNICODE, pickle.BINBYTES, pickle.BINSTRING), 4),
    **dict.fromkeys((pickle.BINUNICODE8, pickle.BINBYTES8), 8),
}
_TUPLES = frozenset(b"".join((pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3)))
_CONTAINERS = _TUPLES | frozenset(b"".join((pickle.EMPTY_DICT, pickle.EMPTY_LIST, pickle.REDUCE, pickle.NEWOBJ)))
_PUTS = frozenset(b"".join((pickle.MEMOIZE, pickle.BINPUT, pickle.LONG_BINPUT)))
_GETS = frozenset(b"".join((pickle.BINGET, pickle.LONG_BINGET)))
_SHORT_TEXT, _MEMOIZE, _STOP = pickle.SHORT_BINUNICODE[0], pickle.MEMOIZE[0], pickle.STOP[0]
_NAMES = {code[0]: name for name, code in vars(pickle).items() if isinstance(code, bytes) and len(code) == 1}

_FIXED = [_SIZES.get(bytes([code]), 0) for code in range(256)]
_IS_PLAIN = [bool(_FIXED[code]) and code not in _CONTAINERS | _PUTS | _GETS for code in range(256)]


class PickleLimitError(ValueError):
    """A pickle is truncated, or would take far more memory or time than its size."""


def check_pickle(data: bytes) -> None:
    """Check all codes of a pickle up to its end.

    Raises:
        PickleLimitError: It is truncated, has a code that published files do not have, or too many of one kind.
    """
    _Walk(data).run()


class _Walk:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        self._num_puts = 0
        self._tuples: set[int] = set()  # their places in the memo
        self._containers_left = min(max(_MIN_CONTAINERS, len(data) // _CODE_BYTES), _MAX_CONTAINERS)
        self._shared_tuples_left = _MAX_SHARED_TUPLES

    def run(self) -> None:
        """Walk to the end of the pickle."""
        data, size, at, before = self._data, len(self._data), 0, 0
        while at < size:
            code = data[at]
            if code == _SHORT_TEXT and at + 1 < size:  # these two are most of the codes that need more than a step
                step = 2 + data[at + 1]
            elif code == _MEMOIZE and before not in _TUPLES:
                self._num_puts += 1
                step = 1
            elif _IS_PLAIN[code]:
                if code == _STOP:
                    return
                step = _FIXED[code]
            else:
                self._at = at
                step = _FIXED[code] or self._length_of_text(code)
                self._count(code, before)
            at += step
            before = code
        raise PickleLimitError("it is truncated")

    def _length_of_text(self, code: int) -> int:
        """Return the bytes of a code with an argument of any length."""
        if code == pickle.GLOBAL[0]:
            second = self._data.find(b"\n", self._data.find(b"\n", self._at) + 1)
            return max(second + 1 - self._at, 1)
        width = _LENGTHS.get(bytes([code]))
        if width is None:
            raise self._excess(f"the operation {_NAMES.get(code, hex(code))}, which published files do not have")
        length = int.from_bytes(self._data[self._at + 1 : self._at + 1 + width], "little")
        if code == pickle.LONG1[0] and length > _MAX_INTEGER_BYTES:
            raise self._excess(f"an integer of {length} bytes")
        if length > len(self._data) - self._at:
            raise self._excess(f"a text of {length:,} bytes, more than the file has")
        return 1 + width + length

    def _count(self, code: int, before: int) -> None:
        if code in _PUTS:
            place = self._num_puts if code == _MEMOIZE else self._index(code)
            if place > len(self._data):
                raise self._excess(f"the memo index {place:,}, more than it has objects")
            self._num_puts += 1
            if before in _TUPLES:
                self._tuples.add(place)
        elif code in _GETS:
            self._shared_tuples_left -= self._index(code) in self._tuples
        elif code in _CONTAINERS:
            self._containers_left -= 1
        if self._containers_left < 0 or self._shared_tuples_left < 0:
            raise self._excess("more nested data than published files of its size")

    def _index(self, code: int) -> int:
        width = _FIXED[code] - 1
        return int.from_bytes(self._data[self._at + 1 : self._at + 1 + width], "little")

    def _excess(self, what: str) -> PickleLimitError:
        return PickleLimitError(f"it has {what}, at byte {self._at:,}: reading it could fill the memory or take hours")
