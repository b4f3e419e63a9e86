def test_list_shows_the_newest_first(run, store):
    outcome = run("list")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[1].split()[:3] == ["bb22", "stopped", "0"]
    assert lines[2].split()[:6] == ["aa11", "done", "4", "(2", "failed)", "0.7500"]
    assert "[b]aa11" in lines[2]
    assert store.where in outcome.out


def test_list_as_json(run, store):
    killed, done = run("list", "--json").json
    assert (done["id"], done["state"], done["seed"], done["objectives"]) == ("aa11", "done", 0, {"default": "maximize"})
    assert done["trials"] == {"running": 0, "completed": 2, "failed": 2, "pruned": 0, "interrupted": 0}
    assert (done["best"]["number"], done["best"]["metric"]) == (1, 0.75)
    assert (killed["state"], killed["best"], killed["pid"]) == ("stopped", None, None)


def test_a_running_experiment_is_shown_as_running(run, store):
    with store.lock("bb22"):
        killed, _ = run("list", "--json").json
    assert killed["state"] == "running"
    assert isinstance(killed["pid"], int)


def test_before_the_first_experiment_there_is_nothing(run):
    outcome = run("list")
    assert outcome.code == 0
    assert "No experiments yet" in outcome.out
    assert run("list", "--json").json == []


def test_a_store_that_is_named_must_be_there(run, tmp_path):
    for arguments in (["--storage", str(tmp_path / "no.db"), "list"], ["list", "--storage", str(tmp_path / "no.db")]):
        outcome = run(*arguments)
        assert (outcome.code, outcome.out) == (1, "")
        assert outcome.err.startswith("Error: There is no store at")
        assert not (tmp_path / "no.db").exists()


def test_a_store_may_be_empty(run, store):
    for record in store.list_experiments():
        store.delete_experiment(record.id)
    assert "No experiments yet" in run("list").out
