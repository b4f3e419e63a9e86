import hashlib
import json
import os
import socket
from types import SimpleNamespace

import pytest
from file_server import CONTENT, SHA256, file_server

from retiarii.benchmarks import MIRROR_VARIABLE, Download, FetchedFile, fetch_files, tables_folder
from retiarii.benchmarks._tables._downloading import transfer
from retiarii.benchmarks.nasbench201 import Nb201Table
from retiarii.errors import BenchmarkError, ConfigError
from retiarii.storage import FileLock


class FileTable(Nb201Table):
    """A table with a file to fetch."""

    name = "mine"
    downloads = (Download("data.zip", "https://retiarii.invalid/data.zip"), Download("more.zip", "https://x.invalid/m"))


def table_of(**known):
    table = FileTable()
    table.downloads = (Download("data.zip", "https://retiarii.invalid/data.zip", **known),)
    return table


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch):
    monkeypatch.setattr(transfer, "_PAUSE_S", 0.0)
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)


@pytest.fixture
def server():
    with file_server() as server:
        yield server


@pytest.fixture
def url(server):
    return f"{server.url}/data.zip"


def test_a_file_is_fetched_checked_and_kept(url, server):
    seen = []
    (found,) = fetch_files(table_of(sha256=SHA256), source=url, on_progress=lambda *step: seen.append(step))
    path = tables_folder() / "downloads" / "mine" / "data.zip"
    assert found == FetchedFile(path, len(CONTENT), SHA256, is_checked=True, was_there=False)
    assert path.read_bytes() == CONTENT
    assert seen[-1] == ("data.zip", len(CONTENT), len(CONTENT))
    assert [file.name for file in path.parent.iterdir()] == ["data.zip"]
    (again,) = fetch_files(table_of(sha256=SHA256), source=url)
    assert (again.was_there, len(server.ranges)) == (True, 1)


def test_without_a_published_checksum_the_record_says_so(url, tmp_path):
    (found,) = fetch_files(table_of(), source=url, folder=tmp_path)
    assert (found.is_checked, found.sha256) == (False, SHA256)
    (again,) = fetch_files(table_of(), source=url, sha256=SHA256.upper(), folder=tmp_path)
    assert (again.is_checked, again.was_there) == (True, True)


def test_a_cut_connection_is_resumed_where_it_was(url, server, tmp_path):
    server.cuts = [3_000_000, 1_000]
    (found,) = fetch_files(table_of(), source=url, folder=tmp_path)
    assert found.path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=3000000-", "bytes=3001000-"]


def test_the_next_command_resumes_after_a_failure(url, server, tmp_path):
    server.cuts = [2_000_000, 0, 0, 0, 0, 0]
    with pytest.raises(BenchmarkError, match=r"cut after 2,000,000 of 5,120,000 bytes.* 2,000,000 bytes are kept"):
        fetch_files(table_of(), source=url, folder=tmp_path)
    server.cuts = []
    (found,) = fetch_files(table_of(), source=url, folder=tmp_path)
    assert found.path.read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=2000000-"


@pytest.mark.parametrize("change", ["version", "address", "no parts", "no version"])
def test_bytes_of_another_version_are_not_joined(url, server, tmp_path, change):
    server.cuts = [2_000_000, 0, 0, 0, 0]
    if change == "no version":
        server.tag = ""
    with pytest.raises(BenchmarkError, match="was cut"):
        fetch_files(table_of(), source=url, folder=tmp_path)
    server.cuts, server.content = [], CONTENT[::-1]
    if change == "version":
        server.tag = '"v2"'
    elif change == "address":
        url = f"{server.url}/other/data.zip"
    elif change == "no parts":
        server.sends_parts = False
    (found,) = fetch_files(table_of(), source=url, folder=tmp_path)
    assert found.path.read_bytes() == server.content


def test_bytes_of_another_version_are_not_joined_by_a_server_that_does_not_heed_versions(url, server, tmp_path):
    server.cuts = [3_000_000, 0, 0, 0, 0]
    with pytest.raises(BenchmarkError, match="3,000,000 bytes are kept"):
        fetch_files(table_of(), source=url, folder=tmp_path)
    server.heeds_versions, server.tag, server.content = False, '"v2"', CONTENT[::-1]
    (found,) = fetch_files(table_of(), source=url, folder=tmp_path)
    assert found.path.read_bytes() == CONTENT[::-1]


def test_an_empty_file_is_no_download(url, server, tmp_path):
    server.content = b""
    with pytest.raises(BenchmarkError, match="the server sends an empty file"):
        fetch_files(table_of(), source=url, folder=tmp_path)


def test_a_chunk_of_a_negative_size_is_a_cut_connection(server, tmp_path):
    with pytest.raises(BenchmarkError, match="the connection was cut after 0 bytes"):
        fetch_files(table_of(), source=f"{server.url}/chunks", folder=tmp_path)


def test_a_download_that_ended_before_it_got_its_name_is_finished(url, server, tmp_path):
    server.cuts = [2_000_000, 0, 0, 0, 0]
    with pytest.raises(BenchmarkError, match="was cut"):
        fetch_files(table_of(), source=url, folder=tmp_path)
    (tmp_path / "data.zip.part").write_bytes(CONTENT)
    (found,) = fetch_files(table_of(sha256=SHA256), source=url, folder=tmp_path)
    assert found.is_checked


def test_a_wrong_checksum_is_refused_and_the_file_moved_away(url, tmp_path):
    wrong = "0" * 64
    with pytest.raises(BenchmarkError, match=rf"has the SHA-256 checksum {SHA256}, expected {wrong}.*was moved to"):
        fetch_files(table_of(sha256=wrong), source=url, folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.zip.rejected"]
    (tmp_path / "data.zip").write_bytes(b"other")
    with pytest.raises(BenchmarkError, match=r"data.zip' has the SHA-256 checksum .*Delete it"):
        fetch_files(table_of(sha256=SHA256), source=url, folder=tmp_path)


@pytest.mark.parametrize(
    ("place", "known", "message"),
    [
        ("/nothing", {}, "the server answers 404 Not Found"),
        ("/page", {}, "the server sends a web page instead of the file"),
        ("/data.zip", {"size_bytes": 17}, "the file there has 5,120,000 bytes, expected 17"),
    ],
)
def test_what_the_server_sends_instead_of_the_file_is_named(server, tmp_path, place, known, message):
    with pytest.raises(BenchmarkError, match=message) as raised:
        fetch_files(table_of(**known), source=f"{server.url}{place}", folder=tmp_path)
    assert "retiarii benchmarks build mine FILE" in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_redirects_are_followed_to_the_same_kind_of_address_only(server, tmp_path):
    moved = f"{server.url}/moved"
    for to, message in [
        ("http://retiarii.invalid/data.zip", "does not begin with https://"),
        ("file:///etc/passwd", "does not begin with https://|302"),
        ("ftp://127.0.0.1/data.zip", "does not begin with https://"),
    ]:
        server.moved_to = to
        with pytest.raises((ConfigError, BenchmarkError), match=message):
            fetch_files(table_of(), source=moved, folder=tmp_path)
    server.moved_to = f"{server.url}/data.zip"
    (found,) = fetch_files(table_of(), source=moved, folder=tmp_path)
    assert found.sha256 == SHA256


@pytest.mark.parametrize(
    "to", ["https://[::1/data.zip", f"https://{'a' * 70}.invalid/data.zip", "https://a..b/data.zip"]
)
def test_a_redirect_to_what_is_no_address_is_an_error_of_the_server(server, tmp_path, to):
    server.moved_to = to
    with pytest.raises(BenchmarkError, match=r"data.zip cannot be fetched from http://127.0.0.1:\d+/moved: "):
        fetch_files(table_of(), source=f"{server.url}/moved", folder=tmp_path)


def test_a_size_that_is_no_number_of_bytes_is_not_believed(url, server, tmp_path):
    server.length = "9" * 5_000
    server.content = CONTENT[:1_000]
    (found,) = fetch_files(table_of(), source=url, folder=tmp_path)
    assert found.size_bytes == 1_000


def test_a_mark_of_a_version_that_cannot_be_sent_back_is_not_used(url, server, tmp_path):
    server.tag = '"v\r\n 1"'
    server.cuts = [3_000_000]
    (found,) = fetch_files(table_of(), source=url, folder=tmp_path)
    assert found.path.read_bytes() == CONTENT
    assert server.ranges == [None, None]


@pytest.mark.parametrize("source", ["http://example.org/data.zip", "ftp://127.0.0.1/data.zip", "file:///etc/passwd"])
def test_other_addresses_than_https_are_refused(source, tmp_path):
    with pytest.raises(ConfigError, match="does not begin with https://"):
        fetch_files(table_of(), source=source, folder=tmp_path)


def test_secrets_in_addresses_are_not_shown_or_stored(server, tmp_path):
    with pytest.raises(ConfigError, match="has a user name or password") as raised:
        fetch_files(table_of(), source="https://me:secret@example.org/data.zip", folder=tmp_path)
    assert "secret" not in str(raised.value)
    server.cuts = [1_000, 0, 0, 0, 0]
    with pytest.raises(BenchmarkError, match="was cut") as raised:
        fetch_files(table_of(), source=f"{server.url}/x/data.zip?key=secret/data.zip", folder=tmp_path)
    assert "secret" not in str(raised.value)
    assert "secret" not in (tmp_path / "data.zip.part.json").read_text()
    assert json.loads((tmp_path / "data.zip.part.json").read_text())["total"] == len(CONTENT)


def test_offline_the_message_has_the_address_and_what_to_do(monkeypatch, tmp_path):
    def fail(*_, **__):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(BenchmarkError, match=r"from https://retiarii.invalid/data.zip: .*name resolution") as raised:
        fetch_files(table_of(), folder=tmp_path)
    assert "fetch the file by hand" in str(raised.value)
    assert "retiarii benchmarks build mine FILE" in str(raised.value)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_named(url, tmp_path):
    (tmp_path / "data.zip.part").symlink_to("/dev/full")
    with pytest.raises(BenchmarkError, match=r"data.zip cannot be stored at .*No space left.*make room"):
        fetch_files(table_of(), source=url, folder=tmp_path)


def test_a_file_larger_than_the_disk_is_refused_before_it_is_fetched(url, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    with pytest.raises(BenchmarkError, match=r"needs 5,120,000 more bytes in .*, which has 1 left"):
        fetch_files(table_of(), source=url, folder=tmp_path)


def test_files_and_folders_and_mirrors_stand_in_for_the_publisher(server, tmp_path, monkeypatch):
    (tmp_path / "data.zip").write_bytes(CONTENT)
    for count, source in enumerate([str(tmp_path / "data.zip"), str(tmp_path), f"{server.url}/mirror/"]):
        (found,) = fetch_files(table_of(sha256=SHA256), source=source, folder=tmp_path / str(count))
        assert found.path.read_bytes() == CONTENT
    monkeypatch.setenv(MIRROR_VARIABLE, f"{server.url}/mirror/")
    (found,) = fetch_files(FileTable(), ["data.zip"])
    assert found.sha256 == SHA256
    with pytest.raises(BenchmarkError, match="There is no file"):
        fetch_files(table_of(), source=str(tmp_path / "lost.zip"), folder=tmp_path / "4")


def test_two_downloads_of_one_table_at_once_are_refused(url, tmp_path):
    lock = FileLock(tables_folder() / "downloads" / "mine.lock")
    assert lock.acquire()
    with pytest.raises(BenchmarkError, match="Another process is downloading files of NAS-Bench-201"):
        fetch_files(table_of(), source=url, folder=tmp_path)
    lock.release()
    assert len(fetch_files(table_of(), source=url, folder=tmp_path)) == 1


def test_a_home_folder_that_is_unknown_is_an_ordinary_name(tmp_path):
    with pytest.raises(BenchmarkError, match=r"There is no file '~nobody-of-this-name/data.zip'"):
        fetch_files(table_of(), source="~nobody-of-this-name/data.zip", folder=tmp_path)


def test_files_that_need_a_browser_and_wrong_names_are_said(tmp_path):
    with pytest.raises(BenchmarkError, match=r"drive.google.com/.*Then: retiarii benchmarks build nasbench201 FILE"):
        fetch_files(Nb201Table())
    with pytest.raises(ConfigError, match=r"no file 'data.zp'.*Did you mean 'data.zip'"):
        fetch_files(FileTable(), ["data.zp"])
    for given in ("abc", hashlib.sha256().hexdigest()):
        with pytest.raises(ConfigError, match="expected 64 hexadecimal digits for one file"):
            fetch_files(FileTable() if len(given) == 64 else table_of(), sha256=given)
    (tmp_path / "NATS-tss-v1_0-3ffb9-simple.tar").write_bytes(b"tar")
    (found,) = fetch_files(Nb201Table(), source=str(tmp_path), folder=tmp_path / "here")
    assert (found.size_bytes, found.is_checked) == (3, False)
