import os

import pytest

from retiarii.cli import _examine


def test_doctor_says_what_is_there(run, store):
    outcome = run("doctor")
    assert outcome.code == 0
    for part in ("torch", "python", "cores", "memory", "devices", "cpu", f"{store.where} (2 experiments)"):
        assert part in outcome.out
    assert "Everything needed is there." in outcome.out


def test_doctor_as_json(run):
    data = run("doctor", "--json").json
    assert data["problems"] == []
    assert data["packages"]["torch"]
    assert data["devices"][0] == "cpu"
    assert data["store"] == {
        "where": os.path.join(os.environ["RETIARII_HOME"], "retiarii.db"),
        "exists": False,
        "experiments": None,
    }
    assert {"demo", "lightning", "postgres"} <= set(data["extras"])
    assert data["system"]["cores"] == os.cpu_count()


@pytest.fixture
def hidden(monkeypatch):
    """Pretend that packages are not installed."""
    installed, names = _examine.installed_version, set()
    monkeypatch.setattr(_examine, "installed_version", lambda name: None if name in names else installed(name))
    return names


def test_a_missing_extra_names_the_pip_line(run, hidden):
    hidden.add("pytorch-lightning")
    outcome = run("doctor")
    assert outcome.code == 0
    assert 'pytorch-lightning missing: pip install "retiarii[lightning]"' in outcome.out


def test_a_missing_need_is_a_problem(run, hidden):
    hidden.add("cloudpickle")
    outcome = run("doctor")
    assert outcome.code == 1
    assert "Problem: cloudpickle is not installed: pip install cloudpickle" in outcome.out


def test_a_damaged_store_is_a_problem(run, tmp_path):
    (tmp_path / "store.db").write_text("no database")
    outcome = run("doctor", "--storage", str(tmp_path / "store.db"))
    assert outcome.code == 1
    assert "Problem:" in outcome.out
    assert "not an SQLite database" in outcome.out
    assert f"{tmp_path / 'store.db'} (cannot be read)" in outcome.out
