import math

import pytest

from retiarii._readable import number_text


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (None, "-"),
        (0.91234567, "0.9123"),
        (1.0, "1.0000"),
        (71.93, "71.9300"),
        (154.0, "154"),
        (1498368.0, "1498368"),
        (1234.5678, "1234.57"),
        (0.00012, "0.00012"),
        (math.inf, "inf"),
        (math.nan, "nan"),
    ],
)
def test_numbers_have_the_digits_that_people_compare(number, shown):
    assert number_text(number) == shown
