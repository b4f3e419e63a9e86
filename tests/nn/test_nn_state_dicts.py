from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.errors import FreezeError
from retiarii.evaluator import FunctionalEvaluator
from retiarii.graph import GraphEngine, export_code
from retiarii.utils import original_state_dict_hooks


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(2, 2)
        self.op = nn.LayerChoice(
            {
                "a": nn.Linear(2, 2),
                "b": nn.Sequential(nn.ReLU(), nn.LayerChoice([nn.Tanh(), nn.Linear(2, 2)], label="inner")),
            },
            label="op",
        )
        self.blocks = nn.Repeat(nn.LayerChoice([nn.Identity(), nn.Linear(2, 2)], label="block"), (1, 3), label="depth")
        self.cell = nn.Cell([nn.Identity(), nn.Linear(2, 2)], 1, label="cell")
        self.register_buffer("scratch", torch.ones(1), persistent=False)

    def forward(self, x):
        return self.cell(self.blocks(self.op(self.stem(x))))


ARCHITECTURE = {"op": "b", "inner": 1, "depth": 2, "block": 1, "cell/op_1_0": 1, "cell/input_1_0": 0}
NAMES = {
    "stem": "stem",
    "op.1": "op.b.1.1",
    "blocks.0": "blocks.blocks.0.1",
    "blocks.1": "blocks.blocks.1.1",
    "cell.ops.0.0": "cell.ops.0.0.1",
}


@pytest.fixture(params=["freeze", "fixed_arch", "wrapped"])
def model(request):
    if request.param == "freeze":
        return nn.freeze(Net(), ARCHITECTURE)
    cls = nn.model_wrapper(type("Wrapped", (Net,), {})) if request.param == "wrapped" else Net
    with nn.fixed_arch(ARCHITECTURE):
        return cls()


def test_saving_in_the_layout_of_the_base_model(model):
    plain = model.state_dict()
    with original_state_dict_hooks(model):
        state = model.state_dict()
    for name, origin in NAMES.items():
        assert torch.equal(state[f"{origin}.weight"], plain[f"{name}.weight"])
    assert set(state) == {f"{origin}.{leaf}" for origin in NAMES.values() for leaf in ("weight", "bias")}
    missing, unexpected = Net().load_state_dict(state, strict=False)
    assert unexpected == []
    assert "op.a.weight" in missing
    assert list(model.state_dict()) == list(plain)


def test_loading_from_a_supernet(model):
    supernet = Net()
    with original_state_dict_hooks(model):
        missing, unexpected = model.load_state_dict(supernet.state_dict(), strict=False)
    assert missing == []
    assert "op.a.weight" in unexpected
    for name, origin in NAMES.items():
        assert torch.equal(model.state_dict()[f"{name}.weight"], supernet.state_dict()[f"{origin}.weight"])


def test_what_was_saved_can_be_loaded_strictly(model):
    other = nn.freeze(Net(), ARCHITECTURE)
    with original_state_dict_hooks(model), original_state_dict_hooks(other):
        other.load_state_dict(model.state_dict())
    x = torch.ones(1, 2)
    assert torch.equal(other(x), model(x))


def test_missing_tensors_are_reported(model):
    state = Net().state_dict()
    del state["op.b.1.1.weight"]
    with original_state_dict_hooks(model):
        missing, _ = model.load_state_dict(state, strict=False)
        assert missing == ["op.1.weight"]
        with pytest.raises(RuntimeError, match=r"op\.1\.weight"):
            model.load_state_dict(state)


def test_a_model_around_it(model):
    class Trainer(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = model
            self.head = nn.Linear(1, 1)

    trainer = Trainer()
    with original_state_dict_hooks(trainer):
        assert "net.op.b.1.1.weight" in trainer.state_dict()
        assert "head.weight" in trainer.state_dict()
    with original_state_dict_hooks(model):  # a part of what is saved
        assert "net.op.b.1.1.weight" in trainer.state_dict()


def test_hooks_end_with_the_block(model):
    with pytest.raises(KeyError), original_state_dict_hooks(model):
        raise KeyError
    assert "op.1.weight" in model.state_dict()


def _saved_and_loaded(model):
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda m: pickle.loads(pickle.dumps(m)), "save": _saved_and_loaded}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES.keys())
def test_copies_know_where_they_come_from(copied):
    supernet = Net()
    model = copied(nn.freeze(supernet, ARCHITECTURE))
    with original_state_dict_hooks(model):
        missing, _ = model.load_state_dict(supernet.state_dict(), strict=False)
    assert missing == []
    for name, origin in NAMES.items():
        assert torch.equal(model.state_dict()[f"{name}.weight"], supernet.state_dict()[f"{origin}.weight"])


@pytest.mark.parametrize("make", [Net, lambda: torch.nn.Sequential(torch.nn.Linear(2, 2))])
def test_nothing_changes_for_a_model_that_was_never_fixed(make):
    model, other = make(), make()
    with original_state_dict_hooks(model):
        assert list(model.state_dict()) == list(other.state_dict())
        model.load_state_dict(other.state_dict())
    assert all(
        torch.equal(*pair) for pair in zip(model.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_a_function_that_is_given_the_class_of_the_model():
    supernet = Net()

    def evaluate(model_cls):
        model = model_cls()
        with original_state_dict_hooks(model):
            missing, _ = model.load_state_dict(supernet.state_dict(), strict=False)
        assert missing == []
        return float(torch.equal(model.stem.weight, supernet.stem.weight))

    assert FunctionalEvaluator(evaluate).evaluate(nn.freeze(Net(), ARCHITECTURE)) == 1.0


def test_networks_of_the_graph_engine():
    supernet = Net()
    model = GraphEngine(Net()).build(ARCHITECTURE)
    with original_state_dict_hooks(model):
        missing, _ = model.load_state_dict(supernet.state_dict(), strict=False)
        state = model.state_dict()
    assert missing == []
    assert set(state) == {f"{origin}.{leaf}" for origin in NAMES.values() for leaf in ("weight", "bias")}


def test_a_primitive_as_a_part_of_another_model():
    base = nn.Sequential(nn.LayerChoice({"a": nn.Linear(2, 2), "b": nn.Tanh()}, label="op"))
    whole = torch.nn.Sequential(nn.freeze(base[0], {"op": "a"}))
    with original_state_dict_hooks(whole):
        whole.load_state_dict(base.state_dict())
    assert torch.equal(whole[0].weight, base[0]["a"].weight)


def test_a_fixed_model_as_a_part_of_a_base_model_has_the_names_of_that_one():
    inner = nn.freeze(Net(), ARCHITECTURE)
    base = nn.Sequential(inner, nn.LayerChoice([nn.Linear(2, 2)], label="last"))
    model = nn.freeze(base, {"last": 0})
    with original_state_dict_hooks(model):
        assert model.load_state_dict(base.state_dict()).missing_keys == []


def test_exported_code_takes_weights_of_the_base_model():
    supernet = Net()
    source = export_code(Net(), architecture=ARCHITECTURE)
    namespace = {"__name__": "exported"}
    exec(compile(source, "exported.py", "exec"), namespace)
    network = next(value for value in namespace.values() if isinstance(value, type) and value.__name__ == "Net")()
    network.load_state_dict(nn.extract_state_dict(supernet.state_dict(), Net(), ARCHITECTURE))
    model = nn.freeze(supernet, ARCHITECTURE)
    with original_state_dict_hooks(model):
        model.load_state_dict(supernet.state_dict(), strict=False)
    x = torch.randn(1, 2)
    assert torch.equal(network(x), model(x))


def test_a_state_dict_that_lacks_a_tensor():
    state = Net().state_dict()
    del state["op.b.1.1.weight"]
    with pytest.raises(FreezeError, match=r"no 'op\.b\.1\.1\.weight'"):
        nn.extract_state_dict(state, Net(), ARCHITECTURE)


def test_no_trace_on_the_model(model):
    for module in model.modules():
        assert not any("retiarii" in name for name in vars(module))


def test_models_are_not_kept_alive():
    import gc
    import weakref

    model = nn.freeze(Net(), ARCHITECTURE)
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None
