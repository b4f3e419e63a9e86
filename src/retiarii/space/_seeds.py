"""`rng_for`: the random generators of the package, each made from a seed and numbers."""

from __future__ import annotations

import random

from retiarii.errors import ConfigError

_WORD = 64
_RESOLUTION = 2.0**53  # random() returns multiples of 2**-53


def rng_for(seed: int, *numbers: int) -> random.Random:
    """Return a new generator that is determined by a seed and some numbers.

    Different arguments give different generators: the numbers are packed side by side into one big integer, not added
    or hashed. Call only ``random()`` of the result: it is the only method whose results Python keeps stable between
    versions.

    Args:
        seed: The seed, not negative.
        *numbers: Numbers that identify the draw, for example the number of the trial; each from 0 to ``2**64 - 1``.

    Raises:
        ConfigError: A number is negative, too large, or not an integer.
    """
    if type(seed) is not int or seed < 0:
        raise ConfigError(f"The seed is {seed!r}, expected an integer that is not negative.")
    packed = seed
    for number in numbers:
        if type(number) is not int or not 0 <= number < 1 << _WORD:
            raise ConfigError(f"{number!r} cannot select a random generator, expected an integer from 0 to 2**64 - 1.")
        packed = packed << _WORD | number
    return random.Random(packed << 8 | len(numbers))


def random_below(count: int, rng: random.Random) -> int:
    """Return an integer from 0 to ``count - 1``, uniform, also for counts far beyond the resolution of a float.

    The bias is at most ``count / 2**53`` for small counts and ``2**-50`` for large ones.
    """
    if count <= 1 << 40:
        return int(rng.random() * count)
    draws = (count.bit_length() + 50) // 53 + 1
    packed = 0
    for _ in range(draws):
        packed = packed << 53 | int(rng.random() * _RESOLUTION)
    return packed * count >> 53 * draws
