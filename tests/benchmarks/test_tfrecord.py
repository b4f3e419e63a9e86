import random

import pytest
from published_nb101 import crc32c, frame

from retiarii.benchmarks._tables._formats import tfrecord
from retiarii.benchmarks._tables._formats.crc32c import crc32c_of
from retiarii.benchmarks._tables._formats.tfrecord import RecordPosition, tfrecord_batches
from retiarii.errors import BenchmarkError


def test_checksums_are_those_of_the_standard_and_of_a_loop_over_the_bytes():
    draw = random.Random(0)
    records = [b"123456789", bytes(32), b"\xff" * 32, b"", *(draw.randbytes(draw.randrange(2000)) for _ in range(200))]
    found = crc32c_of(records).tolist()
    assert found[:3] == [0xE3069283, 0x8A9136AA, 0x62A8AB43]  # RFC 3720, B.4
    assert found == [crc32c(record) for record in records]
    assert len(crc32c_of([])) == 0


def some_records(count=500):
    draw = random.Random(1)
    return [draw.randbytes(draw.choice([0, 1, 30, 400, 401, 4096])) for _ in range(count)]


def test_records_are_read_across_blocks_and_from_any_place_between_two(tmp_path, monkeypatch):
    monkeypatch.setattr(tfrecord, "_READ_BYTES", 10_000)
    records = some_records()
    path = tmp_path / "x.tfrecord"
    path.write_bytes(b"".join(map(frame, records)))
    batches = list(tfrecord_batches(path))
    assert [record for batch in batches for record in batch.records] == records
    assert len(batches) > 30
    assert batches[-1].end == RecordPosition(500, path.stat().st_size)
    middle = batches[20]
    later = [record for batch in tfrecord_batches(path, start=middle.end) for record in batch.records]
    assert later == records[middle.end.number :]
    assert middle.position_of(len(middle.records)) == middle.end


DAMAGES = {
    "data": (lambda framed: framed[:20] + bytes([framed[20] ^ 1]) + framed[21:], "its checksum is wrong"),
    "checksum of the data": (lambda framed: framed[:-1] + bytes([framed[-1] ^ 128]), "its checksum is wrong"),
    "length": (lambda framed: bytes([framed[0] ^ 1]) + framed[1:], "its checksum is wrong"),
    "checksum of the length": (lambda framed: framed[:8] + b"\0\0\0\0" + framed[12:], "its checksum is wrong"),
    "long length": (lambda framed: b"\xff" * 8 + framed[8:], "its length is 18,446,744,073,709,551,615"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("at", [0, 123])
def test_a_damaged_record_is_named_after_those_before_it_were_read(tmp_path, damage, at):
    change, message = DAMAGES[damage]
    records = [bytes([number % 256]) * 50 for number in range(200)]
    framed = [*map(frame, records)]
    framed[at] = change(framed[at])
    path = tmp_path / "x.tfrecord"
    path.write_bytes(b"".join(framed))
    batches = tfrecord_batches(path)
    if at:
        assert next(batches).records == records[:at]
    with pytest.raises(BenchmarkError, match=rf"Record {at + 1} of x.tfrecord \(at byte {at * 66:,}\).*{message}"):
        next(batches)


@pytest.mark.parametrize("left", [1, 11, 12, 40, 65])
def test_a_truncated_file_is_named(tmp_path, left):
    path = tmp_path / "x.tfrecord"
    path.write_bytes(frame(b"a" * 50) + frame(b"b" * 50)[:left])
    batches = tfrecord_batches(path)
    assert next(batches).records == [b"a" * 50]
    with pytest.raises(BenchmarkError, match=rf"Record 2 .*the file ends in it, after {left} bytes"):
        next(batches)


def test_a_file_of_another_format_and_none_are_named(tmp_path):
    path = tmp_path / "x.tfrecord"
    path.write_bytes(b"\x1f\x8b" + bytes(range(2, 250)))
    with pytest.raises(BenchmarkError, match=r"Record 1 of x.tfrecord .*its length is"):
        list(tfrecord_batches(path))
    with pytest.raises(BenchmarkError, match=r"cannot be read .*No such file"):
        list(tfrecord_batches(tmp_path / "y.tfrecord"))
