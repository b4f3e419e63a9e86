"""Automatic labels: per model, per thread, never process-wide."""

from __future__ import annotations

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import retiarii.nn.pytorch as nn
from retiarii.errors import LabelConflictError, NoContextError
from retiarii.utils import ModelNamespace


def labels(model):
    return {choice.declared_at.split(".", 1)[1]: choice.label for choice in nn.extract_space(model)}


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.LayerChoice([nn.Identity(), nn.ReLU()])
        self.b = nn.Linear(nn.ValueChoice([1, 2]), 3)


@nn.model_wrapper
class Decorated(Pair):
    pass


@nn.model_wrapper
class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.LayerChoice([nn.Identity()])
        self.inner = Decorated()
        self.last = nn.LayerChoice([nn.Identity()])
        self.other = Decorated()


class Undecorated(nn.Module):
    def __init__(self, *parts):
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.last = nn.LayerChoice([nn.Identity(), nn.Tanh()])


def test_decorated_models_count_from_one_every_time():
    for _ in range(3):
        assert labels(Decorated()) == {"a": "model_1", "b.in_features": "model_2"}
        nn.ValueChoice([1, 2])  # outside of any model


def test_nested_decorated_models_chain_their_numbers():
    assert labels(Outer()) == {
        "first": "model_1",
        "inner.a": "model_2_1",
        "inner.b.in_features": "model_2_2",
        "last": "model_3",
        "other.a": "model_4_1",
        "other.b.in_features": "model_4_2",
    }


def test_undecorated_models_count_from_their_first_choice():
    for _ in range(3):
        assert labels(Undecorated(Pair(), Pair())) == {
            "parts.0.a": "model_1",
            "parts.0.b.in_features": "model_2",
            "parts.1.a": "model_3",
            "parts.1.b.in_features": "model_4",
            "last": "model_5",
        }


def test_many_instances_do_not_disturb_each_other():
    models = [Undecorated(Pair()) for _ in range(20)]
    assert {frozenset(labels(model).items()) for model in models} == {frozenset(labels(models[0]).items())}


def test_the_parts_of_an_undecorated_model_count_on_their_own():
    whole = Undecorated(Pair(), Pair())
    assert labels(whole.parts[1]) == {"a": "model_1", "b.in_features": "model_2"}
    assert nn.freeze(whole.parts[1], {"model_1": 1, "model_2": 2}).b.in_features == 2


def test_explicit_labels_are_used_as_they_are_and_take_no_number():
    @nn.model_wrapper
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(nn.ValueChoice([1, 2], label="x"), nn.ValueChoice([1, 2]))

    assert labels(Net()) == {"a.in_features": "x", "a.out_features": "model_1"}


def test_labels_of_cells():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(nn.ValueChoice([1, 2]), 2)
            self.cell = nn.Cell([nn.Identity(), nn.ReLU()], 2)

    assert sorted(labels(Net()).values()) == [
        "model_1",
        *(f"model_2/{name}_{n}_0" for name in ("input", "op") for n in (1, 2)),
    ]
    nn.model_wrapper(Net)
    assert sorted(labels(Net()).values()) == [
        "model_1",
        *(f"model_2/{name}_{n}_0" for name in ("input", "op") for n in (1, 2)),
    ]


def test_fixed_arch_counts_afresh_whatever_was_built_before():
    Undecorated(Pair())
    architecture = dict(nn.extract_space(Undecorated(Pair())).default(), model_3=1)
    for _ in range(2):
        with nn.fixed_arch(architecture):
            model = Undecorated(Pair())
        assert type(model.last).__name__ == "Tanh"
    assert labels(Undecorated(Pair()))["last"] == "model_3"


def test_fixed_arch_inside_the_constructor_of_a_decorated_model():
    @nn.model_wrapper
    class Trainer(nn.Module):
        def __init__(self):
            super().__init__()
            self.choice = nn.LayerChoice([nn.Identity()])
            with nn.fixed_arch({"model_1": 1, "model_2": 2}):
                self.net = Decorated()
            self.after = nn.LayerChoice([nn.Identity()])

    trainer = Trainer()
    assert trainer.net.b.in_features == 2
    assert labels(trainer) == {"choice": "model_1", "after": "model_2"}


def test_threads_count_on_their_own():
    barrier = threading.Barrier(4)

    def build(_):
        barrier.wait(timeout=10)
        found = []
        for _ in range(20):
            found.append(labels(Undecorated(Pair(), Pair())))
            found.append(labels(Outer()))
        return found

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(build, range(4)))
    assert all(result == results[0] for result in results)
    assert results[0][0] == results[0][2]


def test_copies_have_the_labels_of_the_original():
    base = Undecorated(Pair())
    assert labels(copy.deepcopy(base)) == labels(base)
    assert labels(pickle.loads(pickle.dumps(base))) == labels(base)
    repeated = nn.Repeat(Pair(), (1, 3))
    assert set(labels(repeated).values()) == {"model_1", "model_2", "model_3"}


def test_parts_that_were_numbered_apart_are_an_error_that_names_both_places():
    with pytest.raises(LabelConflictError, match="@model_wrapper") as caught:
        nn.extract_space(Undecorated(Decorated(), Decorated()))
    assert caught.value.label == "model_1"
    assert caught.value.places == ("Undecorated.parts.0.a", "Undecorated.parts.1.a")


def test_parts_of_other_threads_are_an_error_too():
    def build():
        return Pair()

    with ThreadPoolExecutor(1) as pool:
        one = pool.submit(build).result()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(build).result()
    with pytest.raises(LabelConflictError):
        nn.extract_space(nn.Sequential(one, other))


def test_an_undecorated_model_may_have_one_decorated_part():
    model = nn.Sequential(Decorated())
    assert labels(model) == {"0.a": "model_1", "0.b.in_features": "model_2"}
    with nn.fixed_arch({"model_1": 1, "model_2": 2}):
        built = nn.Sequential(Decorated())
    assert repr(built) == repr(nn.freeze(model, {"model_1": 1, "model_2": 2}))


def test_namespaces_are_isolated_by_key():
    with ModelNamespace("a") as a, ModelNamespace("b"):
        assert ModelNamespace.next_label("a") == "a_1"
        assert ModelNamespace.next_label("b") == "b_1"
        with ModelNamespace("a") as inner:
            assert inner.name_path == [2]
            assert ModelNamespace.next_label("a") == "a_2_1"
            with ModelNamespace("a"):
                assert ModelNamespace.next_label("a") == "a_2_2_1"
            assert ModelNamespace.next_label("a") == "a_2_3"
        assert ModelNamespace.next_label("a") == "a_3"
        assert ModelNamespace.current_context("a") is a


def test_no_namespace():
    with pytest.raises(NoContextError, match="@model_wrapper"):
        ModelNamespace.current_context()
    with pytest.raises(NoContextError):
        ModelNamespace.current_context("other")


def test_a_constructor_that_raises_leaves_no_namespace_behind():
    @nn.model_wrapper
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            nn.ValueChoice([1, 2])
            raise KeyError("broken")

    with pytest.raises(KeyError):
        Broken()
    with pytest.raises(NoContextError):
        ModelNamespace.current_context()
    assert labels(Decorated())["a"] == "model_1"
