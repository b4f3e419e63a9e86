import pytest

from retiarii.errors import ConfigError
from retiarii.space import rng_for


def test_golden_numbers():
    # These values must never change: experiments are resumed by drawing them again.
    assert [rng_for(0).random(), rng_for(1, 2).random(), rng_for(2**70, 3, 4).random()] == GOLDEN


GOLDEN = [0.8444218515250481, 0.23232464919207274, 0.16115485308861233]


def test_different_numbers_give_different_generators():
    arguments = [
        (0,),
        (1,),
        (0, 0),
        (0, 1),
        (1, 0),
        (0, 0, 0),
        (0, 0, 1),
        (1, 2**64 - 1),
        (2**64,),
        (1 << 64 | 5,),
        (1, 5),
    ]
    assert len({rng_for(*numbers).random() for numbers in arguments}) == len(arguments)


@pytest.mark.parametrize("arguments", [(-1,), (1.5,), (None,), (True,), (0, -1), (0, 2**64), (0, "1")])
def test_other_seeds_are_refused(arguments):
    with pytest.raises(ConfigError, match="expected an integer"):
        rng_for(*arguments)
