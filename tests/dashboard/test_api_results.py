"""Space, results, exports and files over the API."""

import os

import pytest
from api_client import ApiClient

from retiarii.space import Architecture, Categorical, SearchSpace
from retiarii.storage import ExperimentRecord, open_store
from retiarii.testing.records import EPOCH, completed, failed
from retiarii.trial import Failure, FailureKind

SPACE = SearchSpace([Categorical("op", values=("conv", "pool")), Categorical("lr", values=(0.1, 0.01))])
BUG = Failure(FailureKind.RAISED, "ValueError: <b>no</b>")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with open_store(tmp_path_factory.mktemp("api") / "store.db") as store:
        config = {"evaluator_labels": ["lr"]}
        store.create_experiment(ExperimentRecord("e", space=SPACE.to_json(), config=config))
        values = [0.3, 0.1, 0.5, 0.5, 0.7]
        architecture = Architecture({"op": "conv", "lr": 0.1})
        trials = [completed(n, value).evolve(architecture=architecture) for n, value in enumerate(values)]
        store.write(
            "e", trials=[*trials, failed(5, BUG), failed(6, BUG), failed(7, Failure(FailureKind.TIMED_OUT, "1 s"))]
        )
        for number in range(3):
            store.write_epoch("e", EPOCH.__class__(number, EPOCH.record, {"loss": float("nan")}))
        yield store


@pytest.fixture(scope="module")
def client(store):
    return ApiClient(store)


@pytest.fixture(scope="module")
def folder(store):
    folder = store.directory("e") / "trials" / "2"
    (folder / "logs").mkdir(parents=True)
    (folder / "checkpoint.pt").write_bytes(b"weights")
    with (folder / "logs" / "big.log").open("wb") as log:
        log.truncate(100 * 2**20)  # a sparse file of 100 MB
        log.seek(0, os.SEEK_END)
        log.write(b"<b>the end \xff</b>\n")
    (folder / "secret").symlink_to("/etc/passwd")
    (folder / "elsewhere").symlink_to("/etc")
    return folder


def test_the_space_is_described(client):
    found = client.get("/experiments/e/space")
    assert (found["space"], found["num_choices"], found["size"]) == (SPACE.to_json(), 2, "4")
    assert found["evaluator_labels"] == ["lr"]
    assert found["description"] == SPACE.describe()


def test_the_drawing_is_that_of_the_store(client, store):
    assert "no drawing" in client.get("/experiments/e/drawing", 404)["detail"]
    store.write_drawing("e", {"nodes": [{"label": "<script>"}]})
    assert client.get("/experiments/e/drawing") == {"drawing": {"nodes": [{"label": "<script>"}]}}


def test_the_best_so_far_has_the_trials_that_improved(client):
    found = client.get("/experiments/e/best-so-far")
    assert [(step["trial"], step["value"]) for step in found["steps"]] == [(0, 0.3), (2, 0.5), (4, 0.7)]
    assert (found["num_trials"], found["metric"], found["direction"]) == (5, "default", "maximize")
    assert "no metric 'x'" in client.get("/experiments/e/best-so-far", 422, metric="x")["detail"]


def test_the_front_and_the_importance_are_those_of_the_analysis(client):
    found = client.get("/experiments/e/pareto")
    assert found["objectives"] == [{"metric": "default", "direction": "maximize"}]
    assert found["front"] == [{"trial": 4, "metrics": {"default": 0.7}}]
    found = client.get("/experiments/e/pareto", objective=["default=minimize"])
    assert [point["trial"] for point in found["front"]] == [1]
    assert client.get("/experiments/e/pareto", objective=["x=minimize"])["front"] == []
    for wrong in (["default"], ["default=up"]):
        assert "METRIC=maximize" in client.get("/experiments/e/pareto", 422, objective=wrong)["detail"]
    found = client.get("/experiments/e/importance")
    assert {one["label"] for one in found["labels"]} == {"lr", "op", "width"}
    assert {one["share"] for one in found["labels"]} == {0.0}  # completed trials have the same architecture


def test_failures_are_grouped(client):
    found = client.get("/experiments/e/failures", limit=1)
    assert found["num_reasons"] == 2
    assert found["reasons"] == [{"kind": "raised", "message": BUG.message, "count": 2, "example": 5}]


def test_epochs_are_read_in_pages(client):
    page = client.get("/experiments/e/epochs", limit=2)
    assert ([epoch["number"] for epoch in page["epochs"]], page["next_after"]) == ([0, 1], 1)
    (last,) = client.get("/experiments/e/epochs", after=1)["epochs"]
    assert (last["record"], last["metrics"]) == (EPOCH.record, {"loss": "NaN"})


def test_architectures_are_exported_without_the_choices_of_the_evaluator(client):
    found = client.get("/experiments/e/export", top_k=2)["trials"]
    assert [trial["number"] for trial in found] == [4, 2]
    assert (found[0]["architecture"], found[0]["hyperparameters"]) == ({"op": "conv"}, {"lr": 0.1})
    assert client.get("/experiments/e/trials/1/architecture")["architecture"] == {"op": "conv"}


def test_files_of_a_trial_are_listed_without_links(client, folder):
    found = client.get("/experiments/e/trials/2/files")["files"]
    assert [(file["name"], file["is_checkpoint"]) for file in found] == [
        ("checkpoint.pt", True),
        ("logs/big.log", False),
    ]
    assert client.get("/experiments/e/trials/1/files") == {"files": []}


def test_a_file_is_downloaded_whole_or_in_part(client, folder):
    whole = client.request("GET", "/experiments/e/trials/2/files/checkpoint.pt")
    assert (whole.content, whole.headers["content-type"]) == (b"weights", "application/octet-stream")
    assert "attachment" in whole.headers["content-disposition"]
    part = client.request("GET", "/experiments/e/trials/2/files/logs/big.log", headers={"Range": "bytes=-6"})
    assert (part.status_code, part.content) == (206, b"\xff</b>\n")


def test_of_a_large_log_the_end_is_shown(client, folder):
    found = client.get("/experiments/e/trials/2/text/logs/big.log")
    assert found["text"].endswith("<b>the end \N{REPLACEMENT CHARACTER}</b>\n")
    assert (found["end"], found["end"] - found["start"]) == (found["size_bytes"], 2**16)
    part = client.get("/experiments/e/trials/2/text/logs/big.log", start=found["end"] - 5, length=2)
    assert (part["text"], part["end"]) == ("</", found["end"] - 3)


@pytest.mark.parametrize(
    "name",
    [
        *("missing", "logs", "secret", "elsewhere/passwd", "..%2f..%2f..%2fstore.db", "%2e%2e/%2e%2e/lock"),
        *("%2fetc%2fpasswd", "logs/../../../../store.db", "logs%00", "a" * 300, "/".join("a" * 90)),
    ],
)
def test_no_path_leads_out_of_the_folder(client, folder, name):
    for end in ("files", "text"):
        assert client.request("GET", f"/experiments/e/trials/2/{end}/{name}").status_code == 404


def test_tags_are_replaced(client, store):
    answer = client.request("PUT", "/experiments/e/tags", json={"tags": ["a b", "<i>", "a b"]})
    assert (answer.status_code, answer.json()) == (200, {"tags": ["a b", "<i>"]})
    assert store.get_experiment("e").tags == ("a b", "<i>")
    for tags in (["a\nb"], [" "], [""], ["a" * 65], ["x"] * 33, "a", None, [1]):
        answer = client.request("PUT", "/experiments/e/tags", json={"tags": tags})
        assert (answer.status_code, set(answer.json())) == (422, {"error", "detail"})
    assert store.get_experiment("e").tags == ("a b", "<i>")


def test_stop_asks_the_process_that_runs_the_experiment(client, store):
    answer = client.request("POST", "/experiments/e/stop")
    assert (answer.status_code, "not running" in answer.json()["detail"]) == (409, True)
    with store.lock("e"):
        assert client.request("POST", "/experiments/e/stop").status_code == 202
        assert store.stop_requested("e")
        answer = client.request("POST", "/experiments/e/resume")
        assert (answer.status_code, "is running already" in answer.json()["detail"]) == (409, True)


def test_a_resume_that_fails_says_why(client, store):
    answer = client.request("POST", "/experiments/e/resume")
    assert answer.status_code == 409
    assert "holds no model, evaluator and strategy" in answer.json()["detail"]
    state = client.get("/experiments/e/resume")
    assert (state["is_alive"], state["exit_code"]) == (False, 1)
    assert "holds no model" in state["output"]
