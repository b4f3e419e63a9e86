"""`ValueChoice` of dicts, lists, classes and functions: JSON holds a name or an index, the model gets the object."""

from __future__ import annotations

import functools
import json
import pickle

import pytest
import torch
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii.errors import ArchitectureError, ChoiceMisuseError, DomainError, LabelConflictError, SupernetError
from retiarii.evaluator import FunctionalEvaluator
from retiarii.graph import GraphEngine
from retiarii.oneshot import DARTS, ENAS, SearchLoop, subnet
from retiarii.space import Architecture, SearchSpace


@nn.basic_unit
class Unit(nn.Module):
    def __init__(self, act, sizes, last=None):
        super().__init__()
        self.act = act()
        self.first = nn.Linear(4, sizes["width"])
        self.second = nn.Linear(sizes["width"], 4)
        self.last = last

    def forward(self, x):
        x = self.second(self.act(self.first(x)))
        return x if self.last is None else self.last(x)


@nn.model_wrapper
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.unit = Unit(
            nn.ValueChoice([nn.ReLU, torch.nn.GELU], label="act"),
            nn.ValueChoice([{"width": 3}, {"width": 5}], label="sizes"),
            nn.ValueChoice([None, torch.tanh], label="last"),
        )
        ends = nn.ValueChoice([{"in": 4, "out": 3}, {"in": 4, "out": 6}], label="ends")
        self.layer = nn.Linear(ends["in"], ends["out"])
        self.function = nn.ValueChoice([F.relu, F.gelu], label="function")
        self.numbers = nn.ValueChoice([[1, 2], [3]], label="numbers")
        plan = nn.ModelParameterChoice([{"depth": 1}, {"depth": 2}], label="plan")
        self.deep = nn.Sequential(*[nn.Linear(4, 4) for _ in range(plan["depth"])])

    def forward(self, x):
        return self.function()(self.layer(self.deep(self.unit(x))))


CHOSEN = {"act": "GELU", "sizes": 1, "last": "tanh", "ends": 1, "function": "gelu", "numbers": [3], "plan": 1}


def test_the_space_is_plain_data():
    space = nn.extract_space(Net())
    assert space.size == 2**7
    assert space["act"].values == ("ReLU", "GELU")
    assert space["last"].values == (None, "tanh")
    assert space["sizes"].values == (0, 1)
    assert space["numbers"].values == ((1, 2), (3,))
    assert SearchSpace.from_json(json.loads(json.dumps(space.to_json()))) == space
    assert "'GELU'" in space.describe()
    assert space.architecture({**CHOSEN, "act": 1}) == space.architecture(CHOSEN)  # by index, too
    with pytest.raises(ArchitectureError, match="Did you mean 'GELU'"):
        space.architecture({**CHOSEN, "act": "GELUU"})


@pytest.mark.parametrize("how", ["freeze", "fixed_arch", "graph", "file"])
def test_every_way_to_fix_a_model_gives_it_the_objects(how, tmp_path):
    if how == "freeze":
        model = nn.freeze(Net(), CHOSEN)
    elif how == "fixed_arch":
        with nn.fixed_arch(CHOSEN):
            model = Net()
    elif how == "file":
        nn.extract_space(Net()).architecture(CHOSEN).save(tmp_path / "best.json")
        model = nn.freeze(Net(), tmp_path / "best.json")
    else:
        model = GraphEngine(Net()).build(nn.extract_space(Net()).architecture(CHOSEN))
    assert type(model.unit.act) is torch.nn.GELU
    assert model.unit.first.out_features == 5
    assert model.layer.out_features == 6
    assert len(model.deep) == 2
    reference = nn.freeze(Net(), CHOSEN)
    reference.load_state_dict(model.state_dict())
    x = torch.randn(2, 4)
    assert torch.equal(model(x), reference(x))
    assert torch.equal(model(x), F.gelu(model.layer(model.deep(torch.tanh(model.unit.second(
        F.gelu(model.unit.first(x))))))))  # fmt: skip


def test_models_share_no_list_or_dict():
    base = Net()
    one, other = nn.freeze(base, CHOSEN), nn.freeze(base, CHOSEN)
    assert one.numbers == [3]
    one.numbers.append(4)
    assert other.numbers == [3]
    assert base.numbers() == [1, 2]


def test_an_attribute_is_the_class_of_torch():
    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.kind = nn.ValueChoice([nn.ReLU, nn.GELU], label="kind")

    assert nn.freeze(Holder(), {"kind": "GELU"}).kind is torch.nn.GELU
    with nn.fixed_arch({"kind": "GELU"}):
        fixed = nn.Sequential(Holder())
    assert fixed[0].kind is torch.nn.GELU
    assert pickle.loads(pickle.dumps(nn.extract_space(Holder()))) == nn.extract_space(Holder())


@pytest.mark.parametrize(
    ("candidates", "values"),
    [
        ([lambda x: x, lambda x: x + 1], (0, 1)),
        ([functools.partial(max, 1), functools.partial(max, 2)], (0, 1)),
        ([nn.ReLU, lambda: nn.ReLU()], (0, 1)),
        ([torch.optim.SGD, torch.optim.Adam, "none", None, 3], ("SGD", "Adam", "none", None, 3)),
        ([torch.optim.Adam, "Adam"], (0, 1)),
        ([torch.float32, torch.float64], (0, 1)),
        ([{"a": 1}], (0,)),
        ([(1, {"a": 1}), (2, 3)], (0, 1)),
        ([[1, 2], (3, 4)], ((1, 2), (3, 4))),
        ([1, "a", None, (1, 2)], (1, "a", None, (1, 2))),
    ],
)
def test_what_architectures_call_candidates(candidates, values):
    choice = nn.ValueChoice(candidates, label="x")
    assert choice.choice().values == values
    assert choice.candidates == candidates
    for value, candidate in zip(values, candidates, strict=True):
        assert choice.evaluate({"x": value}) == candidate
    assert choice.evaluate(Architecture.from_json(json.dumps({"x": choice.choice().values[-1]}))) == candidates[-1]


def test_modules_are_for_layer_choices():
    with pytest.raises(DomainError, match="Use LayerChoice"):
        nn.ValueChoice([nn.ReLU(), nn.GELU()])
    with pytest.raises(DomainError, match="finite"):
        nn.ValueChoice([1.0, float("nan")])
    with pytest.raises(DomainError, match="twice"):
        nn.ValueChoice([[1], [1]])


def test_one_label_with_two_lists_of_objects_is_a_conflict():
    def model(first, second):
        return nn.Sequential(*(Unit(nn.ReLU, nn.ValueChoice(each, label="sizes")) for each in (first, second)))

    assert nn.extract_space(model([{"width": 1}, {"width": 2}], [{"width": 1}, {"width": 2}])).size == 2
    with pytest.raises(LabelConflictError, match=r"'sizes'.*0\.sizes.*1\.sizes"):
        nn.extract_space(model([{"width": 1}, {"width": 2}], [{"width": 1}, {"width": 3}]))


def test_an_optimizer_of_an_evaluator():
    seen = []

    def train(model, optimizer, options):
        seen.append((optimizer, options))
        return 1.0

    evaluator = FunctionalEvaluator(
        train,
        optimizer=nn.ValueChoice([torch.optim.SGD, torch.optim.Adam], label="optimizer"),
        options=nn.ValueChoice([{"lr": 0.1}, {"lr": 0.2}], label="options"),
    )
    assert evaluator.search_space["optimizer"].values == ("SGD", "Adam")
    evaluator.fix({"optimizer": "Adam", "options": 1}).evaluate(torch.nn.Identity())
    evaluator.evaluate(torch.nn.Identity())
    assert seen == [(torch.optim.Adam, {"lr": 0.2}), (torch.optim.SGD, {"lr": 0.1})]


class Acts(nn.Module):
    def __init__(self):
        super().__init__()
        self.unit = Unit(nn.ValueChoice([nn.ReLU, nn.GELU], label="act"), nn.ValueChoice([{"width": 3}, {"width": 5}]))

    def forward(self, x):
        return self.unit(x)


class Functions(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.function = nn.ValueChoice([F.relu, F.gelu], label="function")

    def forward(self, x):
        return self.function()(self.layer(x))


def _search(model, strategy):
    batches = [torch.randn(3, 4) for _ in range(3)]
    search = strategy.search(model, seed=0)
    optimizer = torch.optim.SGD(search.supernet.parameters(), lr=0.01)
    SearchLoop(search, lambda network, batch: network(batch).square().mean(), optimizer).run(batches, batches, 1)
    return search, subnet(search, search.export())(batches[0])


@pytest.mark.parametrize("strategy", [ENAS(ctrl_steps_aggregate=1), DARTS()], ids=["ENAS", "DARTS"])
def test_one_shot(strategy):
    search, output = _search(nn.Sequential(Acts()), strategy)
    assert search.export()["act"] in ("ReLU", "GELU")
    assert output.shape == (3, 4)


def test_functions_have_no_mixture():
    assert _search(Functions(), ENAS(ctrl_steps_aggregate=1))[0].export()["function"] in ("relu", "gelu")
    with pytest.raises(SupernetError, match="function"):
        _search(Functions(), DARTS())


@pytest.mark.parametrize(
    "make",
    [
        lambda w: nn.Linear(4, w / 2),
        lambda w: nn.Linear(4, w / 3),
        lambda w: nn.Linear(4, w * 1.5),
        lambda w: nn.Conv2d(1, 4, (3, w / 2)),
        lambda w: nn.Conv2d(1, 4, 3, padding=w / 8),  # torch fails on these only when they run
        lambda w: nn.MaxPool2d(w / 4),
        lambda w: nn.AdaptiveAvgPool2d((w / 4, 1)),
        lambda w: nn.GroupNorm(num_groups=w / 4, num_channels=8),
        lambda w: nn.LSTM(4, w / 2),  # not annotated
    ],
)
def test_sizes_that_are_floats(make):
    with pytest.raises(ChoiceMisuseError, match=r"write // instead of /"):
        make(nn.ValueChoice([8, 16], label="width"))


def test_arguments_that_may_be_floats():
    width = nn.ValueChoice([8, 16], label="width")
    assert nn.Upsample(scale_factor=width / 4).scale_factor == 2.0
    assert nn.LPPool2d(width / 8, 2).norm_type == 1.0
    assert nn.freeze(nn.Sequential(nn.Dropout(nn.ValueChoice([2, 4]) / 8)), {"model_1": 4})[0].p == 0.5
