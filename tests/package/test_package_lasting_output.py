"""Standard streams that cannot be written any more."""

import errno
import io
import logging
import os
import sys

import pytest

from retiarii._lasting_output import LastingStream, lasting_output


class Failing(io.StringIO):
    """A stream without a descriptor on which writing fails."""

    name = "<failing>"

    def __init__(self, number):
        super().__init__()
        self._number = number

    def write(self, text):
        raise OSError(self._number, os.strerror(self._number))

    flush = write


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO, errno.ENOSPC])
def test_what_cannot_be_written_is_said_once_and_lost(number, monkeypatch, caplog):
    stream = Failing(number)
    monkeypatch.setattr(stream, "flush", lambda: stream.write(""))
    monkeypatch.setattr(sys, "stdout", stream)
    with caplog.at_level(logging.INFO), lasting_output():
        for _ in range(2):
            assert sys.stdout.write("text") == 4
            sys.stdout.writelines(["a", "b"])
            sys.stdout.flush()
    assert sys.stdout is stream
    (record,) = caplog.records
    assert record.levelno == (logging.WARNING if number == errno.ENOSPC else logging.INFO)


def test_other_errors_are_the_writers():
    stream = LastingStream(io.StringIO())
    with pytest.raises(TypeError):
        stream.write(b"bytes")
    stream.close()
    with pytest.raises(ValueError, match="closed"):
        stream.write("text")


def test_a_stream_that_was_replaced_meanwhile_stays(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with lasting_output():
        sys.stdout.write("seen")
        first, sys.stdout = sys.stdout, io.StringIO()
        sys.stdout.write("elsewhere")
    assert first.getvalue() == "seen"
    assert sys.stdout.getvalue() == "elsewhere"


def test_a_program_without_streams_has_none(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with lasting_output():
        assert sys.stdout is None
