"""A real experiment is exported as code and resumed over the API, in processes of their own."""

import time

import pytest
from api_client import ApiClient

from retiarii.storage import open_store

SEARCH = """
import sys
import retiarii.nn.pytorch as nn
from retiarii.evaluator import FunctionalEvaluator
from retiarii.experiment import RetiariiExeConfig, RetiariiExperiment
from retiarii.strategy import GridSearch

def width_of(model):
    return model[0].out_features

model = nn.Sequential(nn.Linear(3, nn.ValueChoice([2, 4, 8], label="width")), nn.ReLU())
experiment = RetiariiExperiment(model, FunctionalEvaluator(width_of), [], GridSearch())
experiment.run(RetiariiExeConfig("in_process", progress=False, max_trial_number=2, storage=sys.argv[1]))
print(experiment.id)
"""


@pytest.mark.slow
def test_a_network_is_exported_as_code_and_its_experiment_is_resumed(run_script, tmp_path):
    path = tmp_path / "store.db"
    experiment_id = run_script(SEARCH, str(path)).split()[-1]
    with open_store(path) as store:
        client = ApiClient(store)
        at = f"/experiments/{experiment_id}"
        width = store.get_trial(experiment_id, 1).architecture["width"]
        code = client.request("GET", f"{at}/trials/1/code")
        assert (code.status_code, f"nn.Linear(3, {width})" in code.text) == (200, True), code.text
        assert code.headers["content-type"].startswith("text/plain")
        answer = client.request("POST", f"{at}/resume", json={"max_trial_number": 3})
        assert answer.status_code == 202, answer.text
        while (state := client.get(f"{at}/resume"))["is_alive"]:
            time.sleep(0.1)
        assert (state["pid"], state["exit_code"]) == (answer.json()["pid"], 0), state["output"]
        assert client.get(at)["counts"]["completed"] == 3
