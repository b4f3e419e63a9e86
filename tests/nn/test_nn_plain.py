"""A fixed model is plain PyTorch: it pickles, copies, saves, compiles and exports, without a trace of the package."""

from __future__ import annotations

import copy
import io
import pickle
import pickletools

import pytest
import torch
from torch.nn import functional as F

import retiarii.nn.pytorch as nn


@nn.basic_unit
class Scale(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor


class Body(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.rate = nn.ValueChoice([0.0, 0.5], label="rate")
        self.scale = nn.ValueChoice([1.0, 2.0], label="scale")
        self.layer_class = nn.Linear
        scale = Scale(nn.ValueChoice([2.0, 3.0], label="factor"))
        self.op = nn.LayerChoice({"conv": nn.Conv1d(width, width, 1), "scale": scale}, label="op")
        self.skip = nn.InputChoice(2, None, "sum", label="skip")

    def forward(self, x):
        joined = self.skip([x, self.op(x)])
        x = x if joined is None else joined
        return F.dropout(x, self.rate(), self.training) * self.scale


@nn.model_wrapper
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = nn.ValueChoice([4, 6], label="width")
        self.stem = nn.Conv1d(2, width, 1)
        self.blocks = nn.Repeat(lambda index: Body(width), (1, 2), label="depth")
        self.cell = nn.Cell([nn.Identity(), nn.ReLU()], 2, 1, 2, "loose_end", label="cell")
        self.head = nn.Linear(nn.ModelParameterChoice([1, 2], label="joined") * width, 3)

    def forward(self, x):
        x = self.blocks(self.stem(x))
        x = self.cell(x, x)
        return self.head(x.mean(2).repeat(1, self.head.in_features // x.shape[1]))


ARCHITECTURES = [
    {"width": 4, "depth": 1, "joined": 1, "cell/op_2_0": 0, "cell/input_2_0": 0, "cell/op_3_0": 1, "cell/input_3_0": 2,
     "rate": 0.0, "scale": 2.0, "op": "conv", "skip": [0, 1]},
    {"width": 6, "depth": 2, "joined": 2, "cell/op_2_0": 1, "cell/input_2_0": 1, "cell/op_3_0": 0, "cell/input_3_0": 2,
     "rate": 0.5, "scale": 1.0, "op": "scale", "factor": 3.0, "skip": []},
]  # fmt: skip
X = torch.arange(12.0).reshape(1, 2, 6)


@pytest.fixture(params=["freeze", "fixed_arch"])
def models(request):
    def build(architecture):
        torch.manual_seed(0)  # of weights with which no ReLU is dead
        if request.param == "freeze":
            return nn.freeze(Net(), architecture)
        with nn.fixed_arch(architecture):
            return Net()

    return [build(architecture).eval() for architecture in ARCHITECTURES]


def globals_in(data):
    """Return the modules and names of all classes and functions that a pickle refers to."""
    strings, found = [], set()
    for opcode, argument, _ in pickletools.genops(data):
        if "UNICODE" in opcode.name:
            strings.append(argument)
        elif opcode.name == "STACK_GLOBAL":
            found.add((strings[-2], strings[-1]))
        elif opcode.name == "GLOBAL":
            found.add(tuple(argument.split(" ")))
    return found


def test_no_object_of_the_package_is_in_it(models):
    allowed = {"ChosenInputs", "ChosenCell", "ChosenValue"}
    for model in models:
        # Protocol 2 names every class in full, without memoised strings.
        ours = {name for module, name in globals_in(pickle.dumps(model, protocol=2)) if module.startswith("retiarii")}
        assert ours <= allowed
        assert "ChosenValue" in ours
        for module in model.modules():
            assert not any(key.startswith("_retiarii") for key in vars(module))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_compute_the_same(models, duplicate):
    for model in models:
        assert torch.equal(duplicate(model)(X), model(X))


def test_saving_the_model_and_its_weights(models):
    for model in models:
        file = io.BytesIO()
        torch.save(model, file)
        file.seek(0)
        assert torch.equal(torch.load(file, weights_only=False)(X), model(X))
        file = io.BytesIO()
        torch.save(model.state_dict(), file)
        file.seek(0)
        other = copy.deepcopy(model)
        for parameter in other.parameters():
            parameter.data.zero_()
        other.load_state_dict(torch.load(file, weights_only=True))
        assert torch.equal(other(X), model(X))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch's own, when it exports
def test_export(models):
    for model in models:
        program = torch.export.export(model, (X,))
        torch.testing.assert_close(program.module()(X), model(X))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch's own, when it compiles
def test_compile_the_whole_graph(models):
    for model in models:
        compiled = torch.compile(model, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(X), model(X))


def test_trace(models):
    for model in models:
        traced = torch.fx.symbolic_trace(model.blocks)
        assert torch.equal(traced(model.stem(X)), model.blocks(model.stem(X)))


def test_training(models):
    for model in models:
        model.train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        before = model.head.weight.detach().clone()
        model(X).sum().backward()
        optimizer.step()
        assert not torch.equal(model.head.weight, before)
