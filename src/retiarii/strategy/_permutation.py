"""`Permutation`: a pseudo-random order of 0, 1, ..., size - 1, computed one element at a time."""

from __future__ import annotations

import hashlib
import math

_ROUNDS = 6
_SPARE_BYTES = 8  # beyond the digits of the modulus, so that taking the remainder is biased by less than 2**-64


class Permutation:
    """A bijection of ``range(size)`` onto itself, chosen by a seed, in constant memory for any size.

    It is a Feistel network on pairs of numbers below ``ceil(sqrt(size))``, with addition in place of exclusive or. That
    domain is a little larger than ``size``; an image outside of ``range(size)`` is mapped again until it is inside
    (cycle walking), which takes little more than one step on average. Each element is equally likely at each position.
    Not every permutation is possible for very small sizes (for 9 elements, for example, all are even).

    Args:
        size: The number of elements, at least 1.
        seed: The seed that selects the order.

    Reference:
        Black and Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002, sections 4 and 5. Deviation: not for
        secrecy; six rounds of SHAKE-128, where four are enough for a permutation that is hard to tell from a random one
        (Luby and Rackoff, 1988).
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self._side = math.isqrt(size - 1) + 1
        self._width = (self._side.bit_length() + 7) // 8
        self._keys = [f"{seed} {number} ".encode() for number in range(_ROUNDS)]

    def __getitem__(self, index: int) -> int:
        """Return the element at a position of the order.

        Raises:
            IndexError: ``index`` is not in ``range(size)``.
        """
        if not 0 <= index < self.size:
            raise IndexError(f"{index} is not in range({self.size})")
        image = self._encipher(index)
        while image >= self.size:
            image = self._encipher(image)
        return image

    def _encipher(self, element: int) -> int:
        left, right = divmod(element, self._side)
        for key in self._keys:
            left, right = right, (left + self._scramble(key, right)) % self._side
        return left * self._side + right

    def _scramble(self, key: bytes, half: int) -> int:
        digest = hashlib.shake_128(key + half.to_bytes(self._width, "big")).digest(self._width + _SPARE_BYTES)
        return int.from_bytes(digest, "big")
