import io


def test_stop_asks_the_running_process(run, store):
    with store.lock("bb22"):
        outcome = run("stop", "bb")
        assert store.stop_requested("bb22")
    assert outcome.code == 0
    assert "retiarii resume bb22" in outcome.out


def test_what_does_not_run_cannot_be_stopped(run, store):
    outcome = run("stop", "bb22")
    assert outcome.code == 1
    assert "not running (it is stopped)" in outcome.err
    assert not store.stop_requested("bb22")


def test_delete_asks_first(run, store, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run("delete", "aa11").code == 1
    assert len(store.list_experiments()) == 2
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    outcome = run("delete", "aa11")
    assert "experiment aa11 ([b]aa11, 4 trials) for good?" in outcome.out
    assert [record.id for record in store.list_experiments()] == ["bb22"]


def test_delete_need_not_ask(run, store):
    assert run("delete", "aa11", "--yes").code == 0
    assert [record.id for record in store.list_experiments()] == ["bb22"]


def test_what_runs_is_not_deleted(run, store):
    with store.lock("bb22"):
        outcome = run("delete", "bb22", "--yes")
    assert outcome.code == 1
    assert "retiarii stop bb22" in outcome.err
    assert len(store.list_experiments()) == 2
