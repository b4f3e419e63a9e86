from __future__ import annotations

import copy
import pickle

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.errors import FreezeError
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


@pytest.mark.parametrize(
    "stranger", [lambda m: Net(), copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)) if type(m) is Net else Net()]
)
def test_a_model_whose_origin_is_not_known(model, stranger):
    with pytest.raises(FreezeError, match="not known"), original_state_dict_hooks(stranger(model)):
        pass


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
