"""Random masks, models and architectures: reductions by hand, round trips through files, forms that are equal."""

import copy

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from retiarii.classic.pytorch.fixed import FixedArchitecture, apply_fixed_architecture
from retiarii.classic.pytorch.mutables import InputChoice, LayerChoice
from retiarii.classic.pytorch.mutator import Mutator
from retiarii.classic.pytorch.random import RandomMutator
from retiarii.nn.pytorch import extract_space, freeze

REDUCTIONS = ("sum", "mean", "concat", "none")
weights = st.sampled_from([0.0, 0.0, 1.0, -0.5, 2.25])


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(float(factor)))

    def forward(self, x):
        return x * self.factor


class Decided(Mutator):
    def __init__(self, model, masks):
        super().__init__(model)
        self.masks = masks

    def sample_search(self):
        return self.masks

    def sample_final(self):
        return self.masks


def by_hand(values, mask, reduction, x):
    """Reduce ``x * value`` for the selected values as the words say."""
    selected = [
        (value, 1.0 if number is True else number) for value, number in zip(values, mask, strict=True) if number
    ]
    parts = [[float(entry) * value * weight for entry in x] for value, weight in selected]
    if reduction == "none":
        return parts
    if not parts:
        return None
    if reduction == "concat":
        return [[entry for part in parts for entry in part]]
    total = [sum(entries) for entries in zip(*parts, strict=True)]
    return [[entry / len(parts) for entry in total] if reduction == "mean" else total]


def as_lists(output, reduction):
    if output is None:
        return None
    return [tensor.flatten().tolist() for tensor in (output if reduction == "none" else [output])]


def nearly(found, expected):
    if found is None or expected is None:
        return found is expected
    return len(found) == len(expected) and all(
        np.allclose(one, other) for one, other in zip(found, expected, strict=True)
    )


masks = st.integers(1, 5).flatmap(
    lambda n: st.one_of(st.lists(st.booleans(), min_size=n, max_size=n), st.lists(weights, min_size=n, max_size=n))
)


@settings(deadline=None, max_examples=60)
@given(masks, st.sampled_from(REDUCTIONS), st.sampled_from([list, np.array, torch.tensor]))
def test_masks_select_weigh_and_reduce_as_by_hand(mask, reduction, form):
    x = torch.tensor([[1.0, 3.0]])
    factors = [index + 1 for index in range(len(mask))]

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.op = LayerChoice([Times(factor) for factor in factors], reduction, True, key="op")
            self.pick = InputChoice(len(mask), reduction=reduction, return_mask=True, key="pick")

        def forward(self, x):
            layers = self.op(x) if any(mask) else None
            return layers, self.pick([x * factor for factor in factors])

    model = Both()
    used = mask if any(mask) else [True] * len(mask)
    masks = {"op": form(used), "pick": form(mask)}
    Decided(model, masks).reset()
    expected = by_hand(factors, mask, reduction, [1.0, 3.0])
    apply = copy.deepcopy(model)
    layers, (inputs, found) = model(x)
    assert nearly(as_lists(inputs, reduction), expected)
    assert found.tolist() == mask
    if layers is not None:
        assert nearly(as_lists(layers[0], reduction), expected)
        assert layers[1].tolist() == mask
    apply_fixed_architecture(apply, masks)
    again, (inputs, found) = apply(x)
    assert nearly(as_lists(inputs, reduction), expected)
    assert np.allclose(found.float(), np.array(mask, dtype=float))
    assert layers is None or nearly(as_lists(again[0], reduction), expected)
    assert sum(isinstance(module, Times) for module in apply.modules()) == sum(map(bool, used))


@st.composite
def models(draw):
    """A chain of layer choices, some of them nested or sharing a key, with an input choice after each."""

    class Chain(nn.Module):
        def __init__(self, plan):
            super().__init__()
            self.ops, self.picks = nn.ModuleList(), nn.ModuleList()
            self.sizes = [n_candidates for *_, n_candidates, _, _ in plan]
            for names, is_nested, n_candidates, n_chosen, key in plan:
                layers = [nn.Linear(3, 3) for _ in range(len(names))]
                if is_nested:
                    layers[-1] = nn.Sequential(LayerChoice([nn.Linear(3, 3), nn.Tanh()]))
                self.ops.append(LayerChoice(dict(zip(names, layers, strict=True)) if names[0] else layers, key=key))
                self.picks.append(InputChoice(n_candidates, n_chosen=n_chosen, reduction="mean"))

        def forward(self, x):
            for op, pick, size in zip(self.ops, self.picks, self.sizes, strict=True):
                out = op(x)
                chosen = pick([x, out, x + out, x - out][:size])
                x = out if chosen is None else chosen
            return x

    plan = []
    for _ in range(draw(st.integers(1, 4))):
        number = draw(st.integers(1, 4))
        names = [f"layer{index}" for index in range(number)] if draw(st.booleans()) else [""] * number
        n_candidates = draw(st.integers(1, 4))
        n_chosen = draw(st.one_of(st.none(), st.integers(1, n_candidates)))
        key = f"shared{number}{bool(names[0])}" if draw(st.booleans()) else None
        plan.append((names, draw(st.booleans()), n_candidates, n_chosen, key))
    return Chain(plan)


@settings(deadline=None, max_examples=50)
@given(models(), st.integers(0, 2**32))
def test_what_a_mutator_exports_is_applied_through_a_file(tmp_path_factory, model, seed):
    file = tmp_path_factory.mktemp("round") / "architecture.json"
    x = torch.randn(2, 3)
    mutator = RandomMutator(model, seed=seed)
    masks = mutator.sample_search()
    mutator.sample_search = mutator.sample_final = lambda: masks
    mutator.reset()
    expected = model(x)
    written = mutator.export_json(file)
    assert written.keys() == masks.keys()
    parameters = set(model.parameters())
    for architecture in (file, written, masks):
        other = copy.deepcopy(model)
        apply_fixed_architecture(other, architecture)
        assert torch.equal(other(x), expected)
        assert len(extract_space(other)) == 0
    decided = copy.deepcopy(model)
    FixedArchitecture(decided, file, verbose=False).reset()
    assert torch.equal(decided(x), expected)
    frozen = freeze(model, written, weights="keep")
    assert torch.equal(frozen(x), expected)
    apply_fixed_architecture(model, file)
    assert torch.equal(model(x), expected)
    assert set(model.parameters()) <= parameters
    assert list(model.state_dict()) == list(frozen.state_dict())


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_all_forms_of_a_choice_are_equal(data):
    length = data.draw(st.integers(1, 5))
    names = [f"in{index}" for index in range(length)]
    chosen = data.draw(st.lists(st.sampled_from(range(length)), unique=True, min_size=1))
    flags = [index in chosen for index in range(length)]
    for choice in (
        InputChoice(choose_from=names, key="k"),
        LayerChoice({name: nn.Identity() for name in names}, key="k"),
        InputChoice(length, key="k"),
        LayerChoice([nn.Identity() for _ in names], key="k"),
    ):
        forms = [chosen, flags, sorted(chosen)]
        if choice.names and choice.names[0] == "in0":
            forms.append([names[index] for index in chosen])
        if len(chosen) == 1:
            forms.append(forms[0][0])
        selections = {choice.selection_of(form) for form in forms}
        assert selections == {choice.selection_of(flags)}
        assert selections.pop().mask().tolist() == flags
