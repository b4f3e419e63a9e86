import copy
import json
import os
import pickle
import stat
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from space_spaces import examples

from retiarii.errors import ArchitectureError
from retiarii.space import Architecture

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.sampled_from([-1.0, -0.0, 0.0, 1.0]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=4)
architectures = st.dictionaries(st.sampled_from(["a", "b", "ü"]), values, max_size=3).map(Architecture)

GOLDEN_KEYS = [
    ({}, "2afb9b83f9314e5d029766197f539792"),
    ({"op": "conv3x3", "width": 64}, "7a6867c2d0756fe9a189c74f161e0bd0"),
    ({"b": (1, (2.5, "é😀")), "a": None, "z": True, "ü": 1e22}, "0e923d3eed8ad9d102d56dc7dc5ec3fa"),
    ({"x": 1}, "baf059ca269223ef0e10bac9eb71ee58"),
    ({"x": 1.0}, "3aa5dbda0078fc0af150e47413a886a2"),
    ({"x": True}, "6ac41838941c6ae8d9b731427f973914"),
]


@pytest.mark.parametrize(("raw", "key"), GOLDEN_KEYS)
def test_golden_keys(raw, key):
    # These values must never change: stored experiments are found by them.
    assert Architecture(raw).key == key
    assert Architecture(dict(reversed(raw.items()))).key == key


def test_keys_are_the_same_in_another_process():
    script = "from retiarii.space import Architecture; print(Architecture({'x': ('a', 1.5), 'b': None}).key)"
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert found.stdout.strip() == Architecture({"b": None, "x": ("a", 1.5)}).key


@examples(100)
@given(architectures, architectures)
def test_equality_keys_and_canonical_forms_agree(one, other):
    assert (one == other) == (one.key == other.key) == (one.canonical_json() == other.canonical_json())
    assert one != other or hash(one) == hash(other)


@examples(100)
@given(architectures)
def test_json_round_trip(architecture):
    for data in (architecture.to_json(), architecture.canonical_json(), json.dumps(architecture.to_json(), indent=1)):
        assert Architecture.from_json(data) == architecture
    assert json.loads(architecture.canonical_json()) == architecture.to_json()


@examples(100)
@given(architectures)
def test_copies_and_pickles_are_equal(architecture):
    assert copy.deepcopy(architecture) == architecture
    assert pickle.loads(pickle.dumps(architecture)) == architecture


def test_it_is_a_mapping_of_plain_values():
    architecture = Architecture({"op": "conv", "sizes": [1, [2, 3]]})
    assert dict(architecture) == {"op": "conv", "sizes": (1, (2, 3))}
    assert architecture.to_json() == {"op": "conv", "sizes": [1, [2, 3]]}
    assert list(architecture) == ["op", "sizes"]
    assert "op" in architecture
    assert "pool" not in architecture
    assert repr(architecture) == "Architecture({'op': 'conv', 'sizes': (1, (2, 3))})"
    with pytest.raises(TypeError):
        architecture["op"] = "pool"


def test_types_count():
    distinct = [Architecture({"x": value}) for value in (1, 1.0, True, "1", (1,), (True,))]
    assert len(set(distinct)) == 6
    assert Architecture({"x": 0.0}) == Architecture({"x": -0.0})
    assert Architecture({"x": 1}) != {"x": 1}


@pytest.mark.parametrize(
    "raw",
    [{"x": float("nan")}, {"x": {"y": 1}}, {"x": {1}}, {"x": [object()]}, {1: "x"}, {"x": "\udc00"}, ["x"], "x", 3],
)
def test_what_is_not_plain_is_refused(raw):
    with pytest.raises(ArchitectureError):
        Architecture(raw)


def test_endless_lists_are_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(ArchitectureError, match="'x' nests lists too deeply"):
        Architecture({"x": endless})


def test_save_and_load(tmp_path):
    path = tmp_path / "new" / "best.json"
    architecture = Architecture({"op": "conv", "in": (0, 2), "größe": 1.5})
    architecture.save(path)
    assert Architecture.load(path) == architecture
    assert Architecture.load(str(path)) == architecture
    assert json.loads(path.read_text("utf-8")) == architecture.to_json()
    Architecture({"op": "pool"}).save(path)
    assert Architecture.load(path) == Architecture({"op": "pool"})
    assert [file.name for file in path.parent.iterdir()] == ["best.json"]


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
def test_a_saved_file_has_ordinary_permissions(tmp_path):
    (tmp_path / "plain").write_text("")
    Architecture({}).save(tmp_path / "best.json")
    assert stat.S_IMODE((tmp_path / "best.json").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "best.json"
    Architecture({"op": "conv"}).save(path)

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        Architecture({"op": "pool"}).save(path)
    assert Architecture.load(path) == Architecture({"op": "conv"})
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON.*line 1.*Expected a JSON object"),
        (b'{"op": "conv",}', "is not JSON.*line 1.*Expected a JSON object"),
        (b"\x80\x04K\x01.", "is not UTF-8"),
        (b'["conv"]', "holds a JSON array, not an object"),
        (b"3", "holds a JSON number, not an object"),
        (b'{"lr": NaN}', "'lr' is nan"),
        (b'{"op": {"name": "conv"}}', "'op' is {'name': 'conv'} of type dict"),
        (
            b'{"op": 1, "op": 2}',
            r"In the architecture file .*: The label 'op' occurs twice in the JSON object. Remove one\.$",
        ),
        (b"[" * 100_000, "JSON"),
        (b'{"n": ' + b"9" * 5000 + b"}", "JSON"),
    ],
)
def test_damaged_files_are_explained(tmp_path, content, message):
    path = tmp_path / "best.json"
    path.write_bytes(content)
    with pytest.raises(ArchitectureError, match=message) as caught:
        Architecture.load(path)
    assert "best.json" in str(caught.value)


def test_missing_files_and_folders_are_explained(tmp_path):
    with pytest.raises(ArchitectureError, match=r"There is no architecture file '.*none\.json' .*Check the path"):
        Architecture.load(tmp_path / "none.json")
    with pytest.raises(ArchitectureError, match=r"cannot be read: .*check that the path is no folder"):
        Architecture.load(tmp_path)


def test_a_byte_order_mark_is_accepted(tmp_path):
    (tmp_path / "best.json").write_text('{"op": "conv"}', encoding="utf-8-sig")
    assert Architecture.load(tmp_path / "best.json") == Architecture({"op": "conv"})
