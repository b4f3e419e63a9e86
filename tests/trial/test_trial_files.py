"""The folders of trials: what is there after a removal that did not come to its end, and what is remembered."""

import shutil

import pytest

from retiarii.trial import TrialFiles


def files_of(tmp_path, *numbers):
    files = TrialFiles(tmp_path)
    for number in numbers:
        files.folder(number).mkdir(parents=True)
        for name in ("state", "weights"):
            (files.folder(number) / name).write_bytes(bytes(100))
    return files


def test_a_removal_that_was_interrupted_leaves_no_half_folder(tmp_path, monkeypatch):
    files = files_of(tmp_path, 3, 7)

    def killed(path):
        (path / "weights").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            files.remove(3)
    assert files.kept(3) is None
    assert files.numbers() == [7]
    files.keep_only({7})
    assert [path.name for path in files.root.iterdir()] == ["7"]


def test_a_folder_that_cannot_be_removed_is_a_warning_that_names_it(tmp_path, monkeypatch, caplog):
    files = files_of(tmp_path, 3)

    def refused(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shutil, "rmtree", refused)
    files.remove(3)
    assert "The files of trial 3 cannot be removed (Permission denied)" in caplog.text


def test_trials_that_had_files_to_continue_from_are_remembered(tmp_path):
    files = files_of(tmp_path, 1, 2)
    assert files.noted_continuable() == set()
    for number in (1, 2, 12):
        files.note_continuable(number)
    files.remove(1)
    with open(files.root / "continuable", "a") as file:
        file.write("99")  # a line that was not written to its end
    assert files.noted_continuable() == {1, 2, 12}
    assert files.numbers() == [2]


def test_nothing_is_noted_through_a_link(tmp_path, caplog):
    files, elsewhere = files_of(tmp_path, 1), tmp_path / "elsewhere"
    elsewhere.write_text("mine\n")
    (files.root / "continuable").symlink_to(elsewhere)
    files.note_continuable(1)
    assert elsewhere.read_text() == "mine\n"
    assert "Cannot note that trial 1 has files" in caplog.text
