import os
import selectors

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retiarii.execution._system.pipes import PipeEnd, PumpedPipeEnd, Tail
from retiarii.testing.execution import PATIENCE_S


@pytest.fixture(params=[PipeEnd, PumpedPipeEnd])
def pipe(request):
    """The end of a pipe as it is on POSIX systems, and as it is on Windows, and the other end."""
    outlet, inlet = os.pipe()
    end = request.param(outlet)
    with os.fdopen(inlet, "wb", buffering=0) as writer, selectors.DefaultSelector() as selector:
        selector.register(end, selectors.EVENT_READ)
        yield end, writer, selector
    end.close()
    end.close()


def test_a_pipe_tells_nothing_something_and_the_end_apart(pipe):
    end, writer, selector = pipe
    assert selector.select(0) == []
    assert end.read() is None
    writer.write(b"hello")
    assert selector.select(PATIENCE_S)
    assert end.read() == b"hello"
    assert end.read() is None
    writer.close()
    assert selector.select(PATIENCE_S)
    assert end.read() == b""


@given(pieces=st.lists(st.binary(max_size=50), max_size=30), limit=st.integers(1, 40))
def test_the_tail_is_the_end_of_the_stream(pieces, limit):
    tail = Tail(limit)
    for piece in pieces:
        tail.add(piece)
    whole = b"".join(pieces)
    kept = whole[-limit:].decode("utf-8", "replace").replace("\0", "\ufffd")
    dropped = max(0, len(whole) - limit)
    assert tail.text() == (f"[... {dropped} bytes left out ...]\n{kept}" if dropped else kept)
