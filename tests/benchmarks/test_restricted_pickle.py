import pickle
import subprocess
import sys

import numpy as np
import pytest

from retiarii.benchmarks._tables._formats.restricted_pickle import plain_content
from retiarii.errors import BenchmarkError

STOP = b"."
START = b"\x80\x04"


def shared_tuples(depth):
    """A dict whose key is a tuple that holds an earlier one twice, and so on: hashing it takes 2 ** depth steps."""
    levels = b"".join(b"h" + bytes([level]) + b"h" + bytes([level]) + b"\x86\x94" for level in range(depth))
    return START + b"}" + b"K\x01\x94" + levels + b"N" + b"s" + STOP


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (START + b"N" + b"r\xff\xff\xff\x7f" + STOP, "memo index 2,147,483,647"),
        (START + b"\x96" + (2**40).to_bytes(8, "little") + STOP, "operation BYTEARRAY8"),
        (START + b"N" + b"p2000000000\n" + STOP, "operation PUT"),
        (START + b"\x8f" * 1_000_000 + STOP, "operation EMPTY_SET"),
        (START + b"}" * 1_000_000 + STOP, "more nested data"),
        (START + b"N" + b"\x85" * 1_000_000 + STOP, "more nested data"),
        (START + b"N" + b"2" * 100_000 + STOP, "operation DUP"),
        (START + b"\x8d" + (2**40).to_bytes(8, "little") + b"x" + STOP, "text of 1,099,511,627,776 bytes"),
        (START + b"X\xff\xff\xff\xff" + STOP, "text of 4,294,967,295 bytes"),
        (START + b"\x8b\xff\xff\xff\x7f" + STOP, "operation LONG4"),
        (START + b"\x8a\x0a" + bytes(9) + b"\x01" + STOP, "an integer of 10 bytes"),  # many can have the same hash
        (START + b"cnumpy", "truncated|damaged"),
        (START, "truncated"),
        (shared_tuples(60), "more nested data"),
    ],
)
def test_a_pickle_that_would_fill_the_memory_is_refused_before_it_is_read(data, message):
    with pytest.raises(BenchmarkError, match=f"The pickle in x is damaged .*{message}"):
        plain_content(data, "x")


_HUNGRY = """
import resource, sys
from retiarii.benchmarks._tables._formats.restricted_pickle import plain_content
from retiarii.errors import BenchmarkError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    plain_content(sys.stdin.buffer.read(), "x")
except BenchmarkError:
    pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize(
    "data",
    [
        START + b"N" + b"r\xff\xff\xff\x0f" + STOP,  # 4 GiB for the memo
        START + b"]" * 2**20 + STOP,  # 72 bytes each
        START + b"(" * 2**20 + STOP,
        START + b"(" + b"M\x00\x10N" * 2**18 + b"d" + STOP,
    ],
)
def test_reading_takes_memory_in_proportion_to_the_size(data):
    done = subprocess.run([sys.executable, "-c", _HUNGRY], input=data, capture_output=True, check=True)
    assert int(done.stdout) < 48


_MEBIBYTE = 2**20
_BYTES = b"B" + _MEBIBYTE.to_bytes(4, "little") + bytes(_MEBIBYTE) + b"\x94"
_TEXT = b"X" + _MEBIBYTE.to_bytes(4, "little") + b"a" * _MEBIBYTE + b"\x94"
_SHAPE = b"J" + _MEBIBYTE.to_bytes(4, "little")
_NEW_ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n\x94" + b"cnumpy\ndtype\n\x8c\x02u1\x85R\x94"


@pytest.mark.parametrize(
    "data",
    [
        b"ccollections\nOrderedDict\n\x94" + b"}\x94(K\x01NK\x02Nu(" + b"h\x00h\x01\x85R" * 200 + b"t",
        b"cnumpy\nndarray\n\x94" + _BYTES + b"(" + b"h\x00h\x01\x85R" * 200 + b"t",
        b"c_codecs\nencode\n\x94" + _TEXT + b"\x8c\x06latin1\x94(" + b"h\x00h\x01h\x02\x86R" * 200 + b"t",
        _NEW_ARRAY + _BYTES + b"(" + (b"h\x00)R(K\x01" + _SHAPE + b"\x85h\x01\x89h\x02tb") * 200 + b"t",
        _NEW_ARRAY + _BYTES + b"h\x00)R(K\x01(" + _SHAPE + b"K\x01" * 7 + b"th\x01\x89h\x02tb",
    ],
)
def test_a_pickle_cannot_copy_its_data_again_and_again(data):
    with pytest.raises(BenchmarkError, match=r"is a copy of another|more values than the file|not callable"):
        plain_content(START + data + STOP, "x", arrays=True)


def test_arrays_have_few_dimensions():
    deep = np.zeros((1,) * 9, dtype="f4")
    with pytest.raises(BenchmarkError, match="an array has 9 dimensions"):
        plain_content(pickle.dumps(deep, protocol=4), "x", arrays=True)
    assert plain_content(pickle.dumps(deep[0], protocol=4), "x", arrays=True) == deep[0].tolist()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_of_plain_data_are_read_with_each_binary_protocol(protocol):
    key = ("cifar10", 777)
    content = {"list": [1, 300, 70_000, -1, 2**60, 1.5, None, True, False, "ä" * 300, b"x" * 300], "key": {key: [key]}}
    assert plain_content(pickle.dumps(content, protocol=protocol), "x", arrays=True) == content
    shared = [[value] * 3 for value in range(100)]
    assert plain_content(pickle.dumps({"lists": shared * 2}, protocol=protocol), "x") == {"lists": shared * 2}
    many = {number: {"valid": 0.5, "test": 0.25} for number in range(5_000)}
    assert plain_content(pickle.dumps(many, protocol=protocol), "x") == many
