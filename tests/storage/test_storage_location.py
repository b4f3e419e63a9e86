from pathlib import Path

import pytest

from retiarii.errors import ConfigError, MissingExtraError
from retiarii.storage import ExperimentRecord, experiments_home, open_store


def test_without_a_place_the_store_is_in_the_experiments_home(monkeypatch, tmp_path):
    monkeypatch.setenv("RETIARII_HOME", str(tmp_path / "home"))
    assert experiments_home() == tmp_path / "home"
    assert not experiments_home().exists()
    with open_store() as store:
        assert store.where == str(tmp_path / "home" / "retiarii.db")


def test_the_experiments_home_is_in_the_users_home(monkeypatch):
    monkeypatch.delenv("RETIARII_HOME")
    assert experiments_home() == Path.home() / "retiarii-experiments"


def test_the_environment_names_the_store(monkeypatch, tmp_path):
    monkeypatch.setenv("RETIARII_STORAGE", f"sqlite:///{tmp_path}/chosen.db")
    with open_store() as store:
        assert store.where == str(tmp_path / "chosen.db")
    with open_store(tmp_path / "given.db") as store:
        assert store.where == str(tmp_path / "given.db")


@pytest.mark.parametrize("spelling", ["name.db", "sqlite:///name.db", Path("name.db")])
def test_a_relative_path_stays_where_it_was(monkeypatch, tmp_path, spelling):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with open_store(spelling) as store:
        monkeypatch.chdir(tmp_path / "elsewhere")
        store.create_experiment(ExperimentRecord("first"))
        assert store.directory("first") == tmp_path / "name.db.files" / "first"
    assert (tmp_path / "name.db").exists()


def test_odd_characters_in_a_path_are_just_characters(tmp_path):
    path = tmp_path / "what? 100% größe#1 & co" / "a;b 'c'.db"
    with open_store(path) as store:
        store.create_experiment(ExperimentRecord("first"))
    with open_store(path, create=False) as store:
        assert [record.id for record in store.list_experiments()] == ["first"]
    assert [entry.name for entry in path.parent.iterdir()] == ["a;b 'c'.db"]


@pytest.mark.parametrize(
    ("storage", "complaint"),
    [
        ("mysql://user@host/db", "kind 'mysql' is not supported"),
        ("sqlite://", "does not name a plain file"),
        ("sqlite:///:memory:", "does not name a plain file"),
        ("sqlite:///a.db?mode=ro", "does not name a plain file"),
        ("postgresql://host:port/db", "cannot be read"),
    ],
)
def test_an_unusable_url_is_refused(storage, complaint):
    with pytest.raises(ConfigError, match=complaint):
        open_store(storage)


def test_a_password_is_never_shown(monkeypatch):
    pytest.importorskip("psycopg", reason='needs psycopg: pip install "retiarii[postgres]"')
    from retiarii.errors import StorageError

    with pytest.raises(StorageError, match=r"user:\*\*\*@127.0.0.1:1/db") as caught:
        open_store("postgresql://user:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)


def test_without_psycopg_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r'pip install "retiarii\[postgres\]"'):
        open_store("postgresql://host/db")
