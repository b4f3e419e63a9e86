from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from torch import nn as torch_nn

import retiarii.nn.pytorch as nn
from retiarii.errors import ArchitectureError, FreezeError, NoContextError
from retiarii.nn._labels.context_stack import ContextStack
from retiarii.utils import get_current_context


def width():
    return nn.ValueChoice([1, 2, 3], label="width")


def build(cls, architecture, **options):
    with nn.fixed_arch(architecture, **options):
        return cls()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, width())


def test_it_is_a_context_stack():
    context = nn.fixed_arch({"width": 2})
    assert isinstance(context, ContextStack)
    with context:
        get_current_context("fixed")
        Net()
    with pytest.raises(NoContextError):
        get_current_context("fixed")


def test_one_context_may_be_entered_several_times():
    context = nn.fixed_arch({"width": 2})
    for _ in range(2):
        with context:
            assert Net().layer.out_features == 2


def test_several_models_in_one_context():
    with nn.fixed_arch({"width": 2}):
        models = [Net(), Net()]
    assert [model.layer.out_features for model in models] == [2, 2]


def test_contexts_nest():
    with nn.fixed_arch({"width": 2}):
        outer = Net()
        with nn.fixed_arch({"width": 3}):
            inner = Net()
        again = Net()
    assert [model.layer.out_features for model in (outer, inner, again)] == [2, 3, 2]
    assert Net().layer.out_features == 1


def test_an_exception_inside_ends_the_context_and_is_not_covered_up():
    with pytest.raises(KeyError, match="mine"), nn.fixed_arch({"unknown": 2}):
        raise KeyError("mine")
    assert Net().layer.out_features == 1
    assert nn.extract_space(Net())["width"].cardinality == 3


def test_an_error_at_the_end_ends_the_context_too():
    with pytest.raises(ArchitectureError, match="unknown"):
        build(Net, {"width": 2, "unknown": 2})
    assert Net().layer.out_features == 1


def test_nothing_was_built():
    with pytest.raises(ArchitectureError, match="'width'"), nn.fixed_arch({"width": 2}):
        pass
    with nn.fixed_arch({}):
        pass


def test_a_primitive_that_is_the_whole_model_cannot_be_replaced():
    kept = []
    with pytest.raises(FreezeError, match=r"freeze\(module, architecture\)"), nn.fixed_arch({"op": 1}):
        kept.append(nn.LayerChoice([nn.ReLU(), nn.Tanh()], label="op"))
    assert isinstance(kept[0], nn.LayerChoice)


def test_a_root_without_a_decorator_is_fixed_when_the_context_ends():
    class Root(nn.Module):
        def __init__(self):
            super().__init__()
            self.size = width()
            self.sizes = [width() * 2]
            self.layer = nn.Linear(1, self.size)

    with nn.fixed_arch({"width": 3}):
        model = Root()
    assert (model.size, model.sizes, model.layer.out_features) == (3, [6], 3)


def test_a_decorated_root_is_fixed_when_its_constructor_ends():
    @nn.model_wrapper
    class Root(nn.Module):
        def __init__(self):
            super().__init__()
            self.size = width()

    with nn.fixed_arch({"width": 3}):
        assert Root().size == 3


def test_missing_labels_are_noticed_when_the_constructor_of_a_decorated_model_ends():
    with nn.fixed_arch({}), pytest.raises(ArchitectureError, match="'width'"):
        nn.model_wrapper(type("Wrapped", (Net,), {}))()


def test_a_constructor_sees_what_it_registered():
    class Looking(nn.Module):
        def __init__(self):
            super().__init__()
            self.op = nn.LayerChoice([nn.Linear(1, 5), nn.Linear(1, 7)], label="op")
            self.next = nn.Linear(self.op.out_features, 1)

    assert build(Looking, {"op": 1}).next.in_features == 7


@pytest.mark.parametrize("register", [
    lambda net, module: net.add_module("op", module),
    lambda net, module: net.register_module("op", module),
    lambda net, module: setattr(net, "op", nn.Sequential(module)),
    lambda net, module: setattr(net, "op", nn.Sequential().append(module)),
    lambda net, module: setattr(net, "op", nn.Sequential(nn.ReLU()).insert(0, module)),
    lambda net, module: setattr(net, "op", nn.ModuleList([module])),
    lambda net, module: setattr(net, "op", nn.ModuleList().extend([module])),
    lambda net, module: net.__setattr__("op", nn.ModuleDict({"a": module})),
])  # fmt: skip
def test_all_ways_to_register_a_child(register):
    class Registering(nn.Module):
        def __init__(self):
            super().__init__()
            register(self, nn.LayerChoice([nn.Linear(1, 1), nn.Tanh()], label="op"))
            self.last = nn.ReLU()

    model = build(Registering, {"op": 1})
    assert any(type(module) is torch_nn.Tanh for module in model.modules())
    assert not any(isinstance(module, nn.Mutable) for module in model.modules())


def test_a_child_that_is_replaced_later():
    class Replacing(nn.Module):
        def __init__(self):
            super().__init__()
            self.op = nn.LayerChoice([nn.Linear(1, 1), nn.Tanh()], label="op")
            self.op = nn.Linear(1, 1)

    model = build(Replacing, {"op": 1})
    with nn.original_state_dict_hooks(model):
        assert list(model.state_dict()) == ["op.weight", "op.bias"]


def test_a_plain_module_of_torch_is_left_alone():
    with nn.fixed_arch({"width": 2}):
        plain = torch_nn.Sequential(torch_nn.Linear(1, 1))
        Net()
    assert type(plain[0]) is torch_nn.Linear


def test_threads_do_not_disturb_each_other():
    barrier = threading.Barrier(4)

    def work(value):
        barrier.wait(timeout=10)
        found = []
        for _ in range(20):
            if value:
                found.append(build(Net, {"width": value}).layer.out_features)
            else:
                found.append(Net().layer.out_features)
        return found

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [[1] * 20, [1] * 20, [2] * 20, [3] * 20]


def test_logs_instead_of_printing(caplog, capsys):
    with caplog.at_level(logging.INFO, logger="retiarii"):
        build(Net, {"width": 2})
        assert '{"width":2}' in caplog.text
        caplog.clear()
        build(Net, {"width": 2}, verbose=False)
        assert caplog.text == ""
    assert capsys.readouterr() == ("", "")


def test_create_fixed_module():
    candidates = [nn.ReLU(), nn.Tanh()]
    with nn.fixed_arch({"op": 1}):
        assert nn.LayerChoice.create_fixed_module(candidates, label="op") is candidates[1]
    with pytest.raises(NoContextError, match="fixed_arch"):
        nn.LayerChoice.create_fixed_module(candidates, label="op")


def test_a_trainer_that_builds_its_network_inside():
    class Trainer(nn.Module):
        def __init__(self):
            super().__init__()
            self.metric = nn.LayerChoice([nn.ReLU(), nn.Tanh()], label="metric")
            with nn.fixed_arch({"width": 2}):
                self.net = Net()

    trainer = Trainer()
    assert trainer.net.layer.out_features == 2
    assert isinstance(trainer.metric, nn.LayerChoice)


def test_the_class_stays_untouched():
    build(Net, {"width": 2})
    assert Net().layer.out_features == 1
    assert nn.freeze(Net(), {"width": 3}).layer.out_features == 3
