"""Damaged and forged store files give the right data or a clear error, never wrong data."""

import hashlib
import json
import random
import sqlite3

import pytest

from retiarii.cli import _store_access
from retiarii.space import Categorical, SearchSpace
from retiarii.storage import EpochRecord, ExperimentRecord, ExperimentState, Intermediate, open_store
from retiarii.storage._rows.checksum import checksums
from retiarii.trial import Failure, FailureKind, Trial, TrialState

SPACE = SearchSpace([Categorical("op", values=("conv", "pool", "skip")), Categorical("width", values=(8, 16, 32))])
COMMANDS = (
    ("list", "--json"),
    ("show", "aa11", "--json"),
    ("show", "aa11", "--trial", "1", "--json"),
    ("export", "aa11", "--top-k", "3", "--json"),
    ("show", "bb22"),
)
SHORT = (("list", "--json"), ("show", "aa11", "--json"))


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The bytes of a small store with a bit of everything."""
    path = tmp_path_factory.mktemp("damage") / "store.db"
    with open_store(path) as store:
        for experiment_id in ("aa11", "bb22"):
            record = {"strategy": "Random(dedup=True)", "config": {"settings": {"max_trial_number": 9}}, "updated": 1e9}
            store.create_experiment(
                ExperimentRecord(
                    experiment_id, "näme", ExperimentState.DONE, space=SPACE.to_json(), created=1e9, **record
                )
            )
            rng = random.Random(experiment_id)
            for number in range(9):
                store.write(experiment_id, trials=[trial(number, SPACE.sample(rng), rng)])
            store.write(experiment_id, intermediates=[Intermediate(1, 0, {"default": 0.125}, 5.0)])
            store.write_epoch(experiment_id, EpochRecord(0, {"entropy": {"op": 0.5}}, {"default": 0.25}, 7.0))
    return path.read_bytes()


def trial(number, architecture, rng):
    running = Trial(number, architecture, started=float(number), told_before=number, output="epoch 1\n" * number)
    if number % 4 == 3:
        failure = Failure(FailureKind.RAISED, "ValueError: no", "Traceback\nValueError: no")
        return running.evolve(state=TrialState.FAILED, failure=failure, finish_order=number, ended=number + 1.5)
    metrics = {"default": rng.random(), "loss": rng.random()}
    done = {"state": TrialState.COMPLETED, "metrics": metrics, "finish_order": number, "device": "cpu"}
    return running.evolve(ended=number + 1.5, **done)


@pytest.fixture
def outcomes(run, tmp_path):
    """Return what the commands say about a file with given content: exit code, output, errors."""

    def outcomes(data, commands=COMMANDS):
        path = tmp_path / "store.db"
        for old in tmp_path.glob("store.db*"):
            old.unlink()
        path.write_bytes(data)
        found = []
        for command in commands:
            outcome = run("--storage", str(path), *command)
            found.append((outcome.code, outcome.out, outcome.err))
        return found

    return outcomes


def check(outcomes, right, data, what):
    for command, (code, out, err), (_, expected, _) in zip(COMMANDS, outcomes(data), right, strict=True):
        if code == 0:
            assert without_age(out) == without_age(expected), f"{command} shows wrong data after {what}"
        else:
            assert code == 1, (command, what)
            assert "Error:" in err, (command, what)


def without_age(text):
    """Leave out how long ago the last change was."""
    return [line for line in text.splitlines() if "last change" not in line]


def flipped(content, place, bit):
    data = bytearray(content)
    data[place] ^= 1 << bit
    return bytes(data)


@pytest.mark.parametrize("count", [15, pytest.param(600, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_a_changed_byte_never_shows_wrong_data(outcomes, content, count):
    right = outcomes(content)
    assert [code for code, _, _ in right] == [0] * len(COMMANDS)
    rng = random.Random(count)
    used = [place for place, byte in enumerate(content) if byte]  # most of a small file is empty
    for _ in range(count):
        place, bit = rng.choice(used), rng.randrange(8)
        check(outcomes, right, flipped(content, place, bit), f"bit {bit} of byte {place} changed")


@pytest.mark.parametrize("seed", range(4))
def test_larger_damage_never_shows_wrong_data(outcomes, content, seed):
    right = outcomes(content)
    rng = random.Random(seed)
    page = 4096 * rng.randrange(len(content) // 4096)
    other = 4096 * rng.randrange(len(content) // 4096)
    for what, data in (
        ("a page of zeros", content[:page] + bytes(4096) + content[page + 4096 :]),
        ("a page of another place", content[:page] + content[other : other + 4096] + content[page + 4096 :]),
        ("a cut end", content[: rng.randrange(len(content))]),
        ("a run of noise", content[:page] + rng.randbytes(64) + content[page + 64 :]),
    ):
        check(outcomes, right, data, what)


def test_doctor_reads_everything(run, content, tmp_path):
    path = tmp_path / "store.db"
    path.write_bytes(content)
    assert run("doctor", str(path)).code == 0
    place = content.index(b"Traceback\nValueError: no")
    path.write_bytes(flipped(content, place, 0))
    outcome = run("doctor", str(path))
    assert outcome.code == 1
    assert "checksum" in outcome.out
    assert "aa11" in outcome.out or "trial" in outcome.out


# What somebody wrote into a store on purpose, with checksums that fit


def changed(content, path, statement, table, *values):
    """Return the content after a statement, with the checksums of a table made anew."""
    path.write_bytes(content)
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    connection.execute(statement, values)
    keys = {"experiments": ("id",), "trials": ("experiment_id", "number")}.get(table, ("experiment_id", "number"))
    for row in connection.execute(f"SELECT * FROM {table}").fetchall():
        for column, value in checksums(table, dict(row)).items():
            where = " AND ".join(f"{key} = ?" for key in keys)
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", [value, *(row[key] for key in keys)])
    connection.commit()
    connection.close()
    return path.read_bytes()


DEEP = "[" * 100_000 + "]" * 100_000
HOSTILE_TEXTS = [
    "",
    "x",
    "NaN",
    "{}",
    "[]",
    DEEP,
    '{"a":' + DEEP + "}",
    "\ud800".encode("utf-8", "surrogatepass"),
    "1e999",
]


@pytest.mark.parametrize(
    ("table", "column", "values"),
    [
        ("experiments", "config", [*HOSTILE_TEXTS, 7, None]),
        (
            "experiments",
            "space",
            [
                *HOSTILE_TEXTS,
                '{"choices": 3}',
                '{"choices": [{"kind": []}]}',
                '{"choices": [{"kind": {}, "label": "a"}]}',
                '{"choices": [{"kind": "integer", "label": "a", "low": 0, "high": 1' + "0" * 5000 + "}]}",
                '{"choices": [{"kind": "categorical", "label": "a", "values": [1, 2], "declared_at": [3]}]}',
                '{"choices": [{"kind": "categorical", "label": "\\ud800", "values": [1, 2]}]}',
                '{"choices": [{"kind": "float", "label": "a", "low": 1, "high": 2, "condition": [[{"label": []}]]}]}',
                '{"choices": [{"kind": "subset", "label": "a", "values": [1], "min_chosen": "x"}]}',
            ],
        ),
        (
            "experiments",
            "objectives",
            [
                *HOSTILE_TEXTS,
                7,
                b"x",
                '[["default"]]',
                '[["default", "up"]]',
                '[[[], "maximize"]]',
                '[["a",1],["a",1]]',
            ],
        ),
        ("experiments", "created", ["now", 1e300, b"x", None]),
        ("experiments", "updated", ["now", -1e300]),
        ("experiments", "pid", ["x", 1.5]),
        ("experiments", "host", [b"x", 3]),
        ("experiments", "seed", ["x", "9" * 5000, None]),
        ("experiments", "state", ["x", 3]),
        ("experiments", "stop_requested", ["x"]),
        ("experiments", "name", [b"\xff", 3]),
        ("trials", "metric", ["high", b"x"]),
        ("trials", "started", ["x", 1e300]),
        ("trials", "told_before", ["x", 1.5]),
        ("trials", "finish_order", ["x", b""]),
        ("trials", "device", [b"\xff", 5]),
        ("trials", "state", ["x", None]),
        (
            "trials",
            "fidelity",
            [*HOSTILE_TEXTS, 5, '{"epochs":0}', '{"epochs":"3"}', '{"":1}', '{"epochs":1' + "0" * 400 + "}"],
        ),
        ("trials", "parent", ["x", b"x", 1.5]),
        ("trials", "violation", ["x", b"x", -1.0]),
        ("trials", "reason", [b"\xff", 5]),
        ("trials", "key", ["x", 5]),
        ("trials", "architecture", HOSTILE_TEXTS),
        (
            "trials",
            "metrics",
            [*HOSTILE_TEXTS, '{"default": 1' + "0" * 400 + "}", '{"default": []}', '{"default": {}}'],
        ),
        ("trials", "failure_kind", ["x", 5]),
        ("trials", "output", [b"\xff\xfe", 3]),
        ("epochs", "record", ["x", "[]", DEEP]),
        ("epochs", "metrics", ["x", '{"a":[]}']),
        ("epochs", "time", ["x"]),
    ],
)
def test_hostile_columns_end_in_a_deliberate_error(run, outcomes, content, tmp_path, table, column, values):
    for value in values:
        key = "id" if table == "experiments" else "experiment_id"
        statement = f"UPDATE {table} SET {column} = ? WHERE {key} = 'aa11'"
        try:
            data = changed(content, tmp_path / "made.db", statement, table, value)
        except sqlite3.IntegrityError:  # NOT NULL
            continue
        for command, (code, out, err) in zip(SHORT, outcomes(data, SHORT), strict=True):
            assert code in (0, 1), (command, value)
            assert code == 0 or "Error:" in err, (command, value)
            if command == ("list", "--json"):
                assert "bb22" in [row["id"] for row in json.loads(out)], f"{value!r:.40} hides other experiments"


@pytest.mark.parametrize(
    "text",
    ['{"op":{"a":1}}', '{"op":NaN}', '{"op":"\\ud800"}', '{"op": "conv"}', '{"op":1e400}', '{"a":1,"a":2}', "[]"],
)
def test_an_architecture_that_fails_its_own_hash_is_not_exported(run, content, tmp_path, text):
    key = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    statement = f"UPDATE trials SET architecture = ?, key = '{key}' WHERE experiment_id = 'aa11'"
    (tmp_path / "store.db").write_bytes(changed(content, tmp_path / "made.db", statement, "trials", text))
    outcome = run("--storage", str(tmp_path / "store.db"), "export", "aa11")
    assert outcome.code == 1
    assert outcome.out == ""
    assert "Error:" in outcome.err


def test_a_damaged_experiment_can_be_deleted(run, content, tmp_path):
    path = tmp_path / "store.db"
    path.write_bytes(changed(content, path, "UPDATE experiments SET space = 'x' WHERE id = 'aa11'", "experiments"))
    assert run("--storage", str(path), "show", "aa11").code == 1
    assert run("--storage", str(path), "delete", "aa11", "-y").code == 0
    assert [row["id"] for row in run("--storage", str(path), "list", "--json").json] == ["bb22"]


@pytest.mark.parametrize("occurrence", range(4))
def test_counts_and_ranks_of_larger_stores_are_compared_with_their_rows(
    run, content, tmp_path, monkeypatch, occurrence
):
    """A damaged state is in the row or in the index, and only one of both is read to count trials."""
    monkeypatch.setattr(_store_access, "_SMALL_BYTES", len(content) // 2)
    path = tmp_path / "store.db"
    path.write_bytes(content)
    assert run("--storage", str(path), "show", "aa11").code == 0
    places = [place for place in range(len(content)) if content.startswith(b"completed", place)]
    path.write_bytes(flipped(content, places[occurrence * len(places) // 4] + 2, 0))
    for command in (("list",), ("show", "aa11"), ("export", "aa11")):
        outcome = run("--storage", str(path), *command)
        assert outcome.code == 1
        assert "damaged" in outcome.err


def test_an_experiment_with_a_damaged_trial_is_listed_as_damaged(run, content, tmp_path):
    place = content.index(b'"op":"')
    (tmp_path / "store.db").write_bytes(flipped(content, place + 6, 0))
    outcome = run("--storage", str(tmp_path / "store.db"), "list", "--json")
    assert outcome.code == 1
    assert len(outcome.json) == 1
    assert "is damaged" in outcome.err
