import json

import pytest
from hypothesis import given
from space_spaces import examples, spaces

from retiarii.errors import SpaceError
from retiarii.space import Categorical, Float, Integer, SearchSpace, when


@examples(60)
@given(spaces())
def test_json_round_trip(space):
    text = json.dumps(space.to_json())
    assert SearchSpace.from_json(json.loads(text)) == space


def test_every_field_travels():
    space = SearchSpace(
        [
            Categorical("op", ((1, 2), None, "x"), (0.5, 0.25, 0.25), by_index=True, declared_at="model.op"),
            Integer("n", 1, 9, 2, condition=when("op", (1, 2), None)),
            Float("lr", 0.1, 1, log=True),
        ]
    )
    data = json.loads(json.dumps(space.to_json()))
    assert data["choices"][1] == {
        "kind": "integer",
        "label": "n",
        "condition": [[{"label": "op", "values": [None, [1, 2]]}]],
        "low": 1,
        "high": 9,
        "step": 2,
    }
    again = SearchSpace.from_json(data)
    assert again == space
    assert again["op"].declared_at == "model.op"


def test_equal_spaces_have_equal_json():
    values = ["x", "y", "z"]
    one = SearchSpace([Categorical("op", values), Integer("n", 1, 2, condition=when("op", "x", "y", "z"))])
    other = SearchSpace([Categorical("op", values), Integer("n", 1, 2, condition=when("op", "z", "y", "x"))])
    assert json.dumps(one.to_json()) == json.dumps(other.to_json())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "list 'choices'"),
        ({"choices": {}}, "list 'choices'"),
        ({"choices": ["op"]}, "is an object"),
        ({"choices": [{"kind": "categoric", "label": "a", "values": [1]}]}, "Did you mean 'categorical'"),
        ({"choices": [{"kind": "integer", "label": "a", "low": 1}]}, "wrong fields.*high"),
        ({"choices": [{"kind": "integer", "label": "a", "low": 1, "high": 2, "depth": 1}]}, "wrong fields.*depth"),
        ({"choices": [{"kind": "integer", "label": "a", "low": 2, "high": 1}]}, "low=2 above high=1"),
        ({"choices": [{"kind": "float", "label": "a", "low": 0, "high": 1, "condition": [["b"]]}]}, "list of lists"),
        ({"choices": [{"kind": "float", "label": "a", "low": 0, "high": 1, "condition": 3}]}, "list of lists"),
    ],
)
def test_other_data_are_refused(data, message):
    with pytest.raises(SpaceError, match=message):
        SearchSpace.from_json(data)
