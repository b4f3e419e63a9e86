"""The drawing that an experiment stores of its model."""

import os
import sys

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment
from retiarii.drawing import Drawing
from retiarii.profiler import output_shapes
from retiarii.space import Categorical, SearchSpace
from retiarii.storage import open_store
from retiarii.strategy import Random

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


@pytest.fixture(autouse=True)
def _drawn(monkeypatch):
    monkeypatch.setenv("RETIARII_DRAWING", "on")


def run(model, path, evaluate=lambda model: 1.0, **settings):
    config = RetiariiExeConfig("local", max_trial_number=2, seed=0, **settings)
    config.training_service.platform = "in_process"
    config.storage, config.progress = path, False
    experiment = RetiariiExperiment(model, FunctionalEvaluator(evaluate), [], Random())
    experiment.run(config)
    return experiment, open_store(path)


def make_net():
    conv = {"wide": nn.Conv2d(3, 4, 3, padding=1), "narrow": nn.Conv2d(3, 4, 1)}
    return nn.Sequential(nn.LayerChoice(conv, label="op"), nn.Flatten(), nn.Linear(4 * 4 * 4, 2))


def test_the_model_is_drawn_once_with_shapes_and_flops(tmp_path):
    experiment, store = run(make_net(), tmp_path / "a.db", dummy_input=[1, 3, 4, 4])
    drawing = Drawing.from_json(store.read_drawing(experiment.id)["drawing"])
    boxes = {box.path: box for box in drawing.boxes if box.path}
    assert boxes["0.wide"].cost.shape == (1, 4, 4, 4)
    assert boxes["0.wide"].cost.flops == 2 * 4 * 4 * 4 * 3 * 9
    assert boxes["0.narrow"].cost.num_params == 3 * 4 + 4
    assert boxes["2"].cost.flops == 2 * 64 * 2
    assert drawing.input_shape == (1, 3, 4, 4)
    used, _ = drawing.used(experiment.trials()[0].architecture.to_json())
    chosen = {box.path for box, is_used in zip(drawing.boxes, used, strict=True) if is_used and box.when}
    assert chosen == {f"0.{experiment.trials()[0].architecture['op']}"}

    store.write_drawing(experiment.id, {"mark": 1})
    RetiariiExperiment.resume(experiment.id, storage=tmp_path / "a.db", max_trial_number=3)
    assert store.read_drawing(experiment.id) == {"mark": 1}


@pytest.mark.filterwarnings("ignore")
def test_a_model_that_cannot_be_drawn_is_searched_all_the_same(tmp_path):
    class Branch(nn.Module):
        def __init__(self):
            super().__init__()
            self.op = nn.LayerChoice([nn.ReLU(), nn.Tanh()], label="op")

        def forward(self, x):
            return self.op(x) if x.sum() > 0 else x

    class Deadly(Branch):
        def forward(self, x):
            os._exit(1)

    for model, reason in ((Branch(), "Tracing stopped"), (Deadly(), "its process died")):
        experiment, store = run(model, tmp_path / "a.db")
        problem = store.read_drawing(experiment.id)["problem"]
        assert problem.startswith("The model could not be drawn: ")
        assert reason in problem
        assert len(experiment.trials()) == 2


def test_a_bare_space_and_a_switched_off_drawing_are_not_drawn(tmp_path, monkeypatch):
    experiment, store = run(SearchSpace([Categorical("op", values=(1, 2))]), tmp_path / "a.db")
    assert store.read_drawing(experiment.id) is None
    monkeypatch.setenv("RETIARII_DRAWING", "off")
    experiment, store = run(torch.nn.Sequential(nn.LayerChoice([nn.ReLU(), nn.Tanh()])), tmp_path / "a.db")
    assert store.read_drawing(experiment.id) is None


def test_shapes_are_those_of_called_modules():
    assert output_shapes(nn.Sequential(nn.Linear(3, 2), nn.Flatten()), torch.zeros(5, 3)) == {
        "": (5, 2), "0": (5, 2), "1": (5, 2),
    }  # fmt: skip
