import os
import subprocess
from pathlib import Path

import pytest

from retiarii.errors import ExperimentError, StorageError, StoreFullError
from retiarii.experiment._stored_objects.private_file import write_whole
from retiarii.experiment._stored_objects.signed_payload import read_payload, save_payload
from retiarii.experiment._stored_objects.signing import config_home, is_signed, sign


@pytest.fixture
def key():
    sign(b"")
    return config_home() / "signing.key"


def test_the_key_is_kept_in_the_configuration_folder_for_this_user_alone(key, monkeypatch, tmp_path):
    assert key.stat().st_size == 32
    assert key.stat().st_mode & 0o777 == 0o600
    assert os.listdir(key.parent) == ["signing.key"]
    assert Path(os.environ["RETIARII_HOME"]) not in key.parents
    monkeypatch.delenv("RETIARII_CONFIG_HOME")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    sign(b"")
    assert (tmp_path / "config" / "retiarii" / "signing.key").is_file()
    assert (tmp_path / "config" / "retiarii").stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative/is/ignored")
    assert config_home() == Path.home() / ".config" / "retiarii"


def test_a_signature_holds_for_its_data_and_key_alone(key):
    mac = sign(b"data")
    assert is_signed(mac, b"data")
    assert not is_signed(mac, b"Data")
    key.unlink()
    assert not is_signed(mac, b"data")


def replaced_by_link(key):
    key.rename(key.with_name("elsewhere"))
    key.symlink_to("elsewhere")


def replaced_by_folder_link(key):
    key.parent.rename(key.parent.with_name(f"{key.parent.name}-real"))
    key.parent.symlink_to(f"{key.parent.name}-real")


def replaced_by_folder(key):
    key.unlink()
    key.mkdir(mode=0o700)


def replaced_by_pipe(key):
    key.unlink()
    os.mkfifo(key, 0o600)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda key: key.write_bytes(b""), "has 0 bytes, expected 32"),
        (lambda key: key.write_bytes(b"x"), "has 1 bytes"),
        (lambda key: key.write_bytes(bytes(33)), "has 33 bytes"),
        (lambda key: key.chmod(0o602), "other users may use"),
        (lambda key: key.chmod(0o640), "its mode is 640"),
        (lambda key: key.parent.chmod(0o777), "stands in a folder that other users may use"),
        (replaced_by_link, "is a symbolic link"),
        (replaced_by_folder_link, "is a symbolic link"),
        (replaced_by_folder, r"is not a regular file|Is a directory"),
        (replaced_by_pipe, "is not a regular file"),
    ],
)
def test_a_key_that_others_could_have_made_or_read_is_refused(key, spoil, complaint):
    mac = sign(b"data")
    spoil(key)
    for use in (lambda: sign(b"data"), lambda: is_signed(mac, b"data")):
        with pytest.raises(ExperimentError, match=complaint) as caught:
            use()
        assert "RETIARII_CONFIG_HOME" in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
@pytest.mark.parametrize("part", ["file", "folder"])
def test_a_key_of_another_user_is_refused(key, part):
    os.chown(key if part == "file" else key.parent, 65534, 65534)
    with pytest.raises(ExperimentError, match="belongs to the user 65534, not to you"):
        sign(b"")


def test_payloads_are_read_without_following_links(tmp_path):
    (tmp_path / "real").write_bytes(sign(b"x") + b"x")
    (tmp_path / "experiment.pickle").symlink_to("real")
    with pytest.raises(ExperimentError, match="is a symbolic link"):
        read_payload(tmp_path)


def test_a_payload_that_is_no_file_is_named(tmp_path):
    (tmp_path / "experiment.pickle").mkdir()
    with pytest.raises(ExperimentError, match=r"experiment\.pickle (is not a regular file|cannot be read)"):
        read_payload(tmp_path)


def test_a_payload_is_private_and_replaces_the_old_one(tmp_path):
    for data in (b"old", b"new"):
        save_payload(tmp_path, data)
    assert (tmp_path / "experiment.pickle").read_bytes() == b"new"
    assert (tmp_path / "experiment.pickle").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["experiment.pickle"]


def test_a_file_larger_than_the_disk_leaves_nothing(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        write_whole(disk / "experiment.pickle", b"old")
        with pytest.raises(StoreFullError, match=r"1,000,000 bytes cannot be written: No space left"):
            write_whole(disk / "experiment.pickle", bytes(1_000_000))
        assert os.listdir(disk) == ["experiment.pickle"]
        assert (disk / "experiment.pickle").read_bytes() == b"old"
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(StorageError, match="No such file or directory"):
        write_whole(tmp_path / "missing" / "file", b"")
