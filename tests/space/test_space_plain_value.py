import math
from enum import IntEnum

import numpy as np
import pytest

from retiarii.space import plain_value


class Size(IntEnum):
    SMALL = 8


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        (None, None),
        (True, True),
        (Size.SMALL, 8),
        (np.int64(3), 3),
        (np.float64(0.5), 0.5),
        (np.str_("conv"), "conv"),
        ([1, [2.5, "a"]], (1, (2.5, "a"))),
    ],
)
def test_values_get_their_plain_type(raw, plain):
    found = plain_value(raw)
    assert found == plain
    assert type(found) is type(plain)


def test_the_sign_of_zero_is_no_decision():
    assert math.copysign(1, plain_value(-0.0)) == 1


@pytest.mark.parametrize(
    ("raw", "clause"),
    [
        (math.inf, "is inf, which JSON cannot hold"),
        ({}, "of type dict, expected a plain value"),
        ("\ud800", "not valid Unicode"),
        (np.zeros(1), r"of type ndarray \(use its .item\(\)\)"),
        pytest.param(1 << 20_000, "is an integer of 20,001 bits", id="long"),  # too long for a name of a test
    ],
)
def test_what_json_cannot_hold_is_refused(raw, clause):
    with pytest.raises(ValueError, match=clause):
        plain_value(raw)
