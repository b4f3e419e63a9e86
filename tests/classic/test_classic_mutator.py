"""Mutators: masks that decide a model until the next reset, and what they refuse."""

import copy
import pickle

import pytest
import torch
from classic_net import Net
from torch import nn

from retiarii.classic.pytorch.base_mutator import BaseMutator, unbind
from retiarii.classic.pytorch.mutables import InputChoice, LayerChoice, MutableScope
from retiarii.classic.pytorch.mutator import Mutator
from retiarii.classic.pytorch.random import RandomMutator
from retiarii.errors import ArchitectureError, LabelConflictError, SearchError

IMAGES = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))


class Given(Mutator):
    """Decides by masks that are given."""

    def __init__(self, model, masks):
        super().__init__(model)
        self.masks = masks

    def sample_search(self):
        return self.masks

    def sample_final(self):
        return self.masks


class Scaled(nn.Module):
    """Multiplies by a number, and counts its runs."""

    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(float(factor)))
        self.runs = 0

    def forward(self, x):
        self.runs += 1
        return x * self.factor


def scaled(*factors, **options):
    return nn.Sequential(LayerChoice([Scaled(factor) for factor in factors], key="op", **options))


def test_automatic_keys_have_the_name_of_the_class_and_count_from_one_in_each_model():
    for _ in range(2):
        mutator = RandomMutator(Net())
        assert [mutable.key for mutable in mutator.mutables] == [
            "LayerChoice1",
            "second",
            "InputChoice2",
            "InputChoice3",
        ]
        assert [mutable.name for mutable in mutator.mutables] == ["conv1", "conv2", "skipcon", "pick"]


def test_the_result_of_a_reset_holds_until_the_next_one():
    model = Net().eval()
    mutator = RandomMutator(model, seed=1)
    mutator.reset()
    first, status = model(IMAGES), mutator.status()
    for _ in range(3):
        mutator.export()
        mutator.sample_search()
        assert torch.equal(model(IMAGES), first)
    assert mutator.status() == status
    outputs = set()
    for _ in range(20):
        mutator.reset()
        outputs.add(model(IMAGES).sum().item())
    assert len(outputs) > 3


def test_a_forward_pass_before_the_first_reset_says_so():
    model = Net()
    mutator = RandomMutator(model)
    assert mutator.status() == {}
    with pytest.raises(SearchError, match=r"'LayerChoice1' is not decided yet.*Call mutator.reset\(\) first"):
        model(IMAGES)


def test_a_second_mutator_is_refused_until_the_first_is_unbound():
    model = Net()
    first = RandomMutator(model)
    for whole in (model, nn.Sequential(model)):
        with pytest.raises(SearchError, match=r"bound to a RandomMutator already.*unbind\(\)"):
            BaseMutator(whole)
    first.reset()
    first.unbind()
    assert model(IMAGES).shape == (2, 3)  # its first candidates
    second = RandomMutator(model)
    second.reset()
    assert model(IMAGES).shape == (2, 3)


def test_boolean_masks_select_and_are_reduced():
    x = torch.ones(3)
    for reduction, expected in {"sum": 11.0, "mean": 5.5}.items():
        model = scaled(1, 10, 100, reduction=reduction)
        Given(model, {"op": torch.tensor([True, True, False])}).reset()
        assert model(x).tolist() == [expected] * 3
        assert [candidate.runs for candidate in model[0]] == [1, 1, 0]


def test_floating_masks_weigh_candidates_train_their_parameters_and_leave_out_zeros():
    model = scaled(1, 10, 100)
    alpha = nn.Parameter(torch.tensor([0.5, 0.25]))

    class Learned(Mutator):
        def __init__(self, model):
            super().__init__(model)
            self.alpha = alpha

        def sample_search(self):
            return {"op": torch.cat([self.alpha, torch.zeros(1)])}

    mutator = Learned(model)
    mutator.reset()
    out = model(torch.ones(2))
    assert out.tolist() == [3.0, 3.0]
    assert [candidate.runs for candidate in model[0]] == [1, 1, 0]
    out.sum().backward()
    assert alpha.grad.tolist() == [2.0, 20.0]
    assert [id(parameter) for parameter in mutator.parameters()] == [id(alpha)]
    assert not any(parameter is alpha for parameter in model.parameters())
    assert list(model.state_dict()) == ["0.0.factor", "0.1.factor", "0.2.factor"]
    torch.optim.SGD(mutator.parameters(), lr=0.01).step()
    mutator.reset()
    assert model(torch.ones(1)).item() == pytest.approx(0.48 + 0.5)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({}, r"has no mask for 'op' \(LayerChoice at 0\), expected a tensor of 3 booleans"),
        ({"op": torch.ones(3).bool(), "ob": 1}, r"mask for 'ob', but the model has no choice.*Did you mean 'op'"),
        ({"op": torch.ones(2).bool()}, r"mask of 'op' .*shape \(2,\), expected a tensor of 3 booleans"),
        ({"op": torch.tensor([1, 0, 0])}, r"mask of 'op' .*torch.int64, expected"),
        ({"op": torch.zeros(3).bool()}, "mask of 'op' .*none that is selected"),
        ({"op": torch.zeros(3)}, "mask of 'op' .*none that is selected"),
        ({"op": torch.tensor([1.0, float("nan"), 0.0])}, "mask of 'op' .*not finite"),
        ({"op": 1}, "mask of 'op' .*found a int"),
        ([True], "returned a list, expected a dict"),
    ],
)
def test_masks_that_do_not_fit_are_refused_at_reset_and_change_nothing(masks, message):
    model = scaled(1, 10, 100)
    mutator = Given(model, {"op": torch.tensor([False, True, False])})
    mutator.reset()
    mutator.masks = masks
    with pytest.raises(ArchitectureError, match=message):
        mutator.reset()
    with pytest.raises(ArchitectureError, match=message):
        mutator.export()
    assert model(torch.ones(1)).item() == 10.0


def test_choices_of_one_key_decide_the_same_and_are_one_mutable():
    model = nn.Sequential(scaled(1, 2), scaled(1, 3))
    mutator = Given(model, {"op": torch.tensor([False, True])})
    mutator.reset()
    assert model(torch.ones(1)).item() == 6.0
    assert [mutable.name for mutable in mutator.mutables] == ["0.0"]
    assert [mutable.name for mutable in mutator.undedup_mutables] == ["0.0", "1.0"]


def test_one_key_for_two_different_choices_names_both_places():
    with pytest.raises(LabelConflictError) as caught:
        RandomMutator(nn.Sequential(scaled(1, 2), scaled(1, 2, 3)))
    assert "Sequential.0.0" in str(caught.value)
    assert "Sequential.1.0" in str(caught.value)


class Cell(MutableScope):
    def __init__(self, key, inner):
        super().__init__(key)
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


def test_scopes_are_entered_and_left_around_their_forward_pass_also_after_errors():
    heard = []

    class Listening(RandomMutator):
        def enter_mutable_scope(self, mutable_scope):
            heard.append(f"enter {mutable_scope.key}")

        def exit_mutable_scope(self, mutable_scope):
            heard.append(f"leave {mutable_scope.key}")

        def on_forward_layer_choice(self, mutable, *args, **kwargs):
            heard.append(mutable.key)
            return super().on_forward_layer_choice(mutable, *args, **kwargs)

    model = Cell("outer", nn.Sequential(Cell("inner", scaled(1, 2)), Cell("other", nn.Linear(3, 1))))
    assert model(torch.ones(3)).shape == (1,)  # without a mutator it is a plain module
    mutator = Listening(model)
    mutator.reset()
    model(torch.ones(3))
    inside = ["enter outer", "enter inner", "op", "leave inner", "enter other"]
    assert heard == [*inside, "leave other", "leave outer"]
    assert [mutable.key for mutable in mutator.mutables] == ["outer", "inner", "op", "other"]
    assert list(mutator.export()) == ["op"]
    heard.clear()
    with pytest.raises(RuntimeError):
        model(torch.ones(2))
    assert heard == [*inside, "leave other", "leave outer"]


def test_a_scope_and_a_choice_of_one_key_are_a_conflict():
    with pytest.raises(LabelConflictError, match=r"'op' stands for a Cell at 0 and for a LayerChoice at 1.0"):
        RandomMutator(nn.Sequential(Cell("op", nn.Identity()), scaled(1, 2)))


def test_a_mutator_of_ones_own_computes_the_outputs_itself():
    class Everything(BaseMutator):
        """Sums all candidates and takes the last input."""

        def on_forward_layer_choice(self, mutable, *args, **kwargs):
            return sum(candidate(*args, **kwargs) for candidate in mutable), torch.ones(len(mutable))

        def on_forward_input_choice(self, mutable, tensor_list):
            return tensor_list[-1], None

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.op = LayerChoice([Scaled(1), Scaled(10)], return_mask=True)
            self.pick = InputChoice(n_candidates=2)

        def forward(self, x):
            out, mask = self.op(x)
            return self.pick([x, out]), mask

    model = Two()
    mutator = Everything(model)
    out, mask = model(torch.ones(1))
    assert (out.item(), mask.tolist()) == (11.0, [1.0, 1.0])
    with pytest.raises(NotImplementedError, match=r"Everything does not override export\(\)"):
        mutator.export()
    with pytest.raises(SearchError, match="Call the model"):
        mutator(torch.ones(1))
    with pytest.raises(AttributeError, match="Make another mutator"):
        mutator.model = Two()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_copies_of_a_model_have_no_mutator_and_do_not_run_silently(duplicate):
    model = Net().eval()
    mutator = RandomMutator(model, seed=3)
    mutator.reset()
    copied = duplicate(model)
    with pytest.raises(SearchError, match=r"belongs to a copy of a model that a RandomMutator is bound to"):
        copied(IMAGES)
    other = RandomMutator(copied, seed=3)
    other.reset()
    assert torch.equal(copied(IMAGES), model(IMAGES))
    again = duplicate(duplicate(model))
    unbind(again)
    assert again(IMAGES).shape == (2, 3)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_a_copy_of_a_mutator_brings_its_model(duplicate):
    model = Net().eval()
    mutator = RandomMutator(model, seed=3)
    mutator.reset()
    copied = duplicate(mutator)
    assert copied.model is not model
    assert torch.equal(copied.model(IMAGES), model(IMAGES))
    mutator.reset()
    copied.reset()
    assert copied.status() == mutator.status()
    assert torch.equal(copied.model(IMAGES), model(IMAGES))


def test_random_masks_follow_the_seed_and_choose_as_many_as_they_should():
    def drawn(**options):
        mutator = RandomMutator(Net(), **options)
        return [{key: mask.tolist() for key, mask in mutator.sample_search().items()} for _ in range(30)]

    assert drawn(seed=1) == drawn(seed=1) != drawn(seed=2)
    torch.manual_seed(5)
    first = drawn()
    torch.manual_seed(5)
    assert drawn() == first
    assert {sum(masks["InputChoice2"]) for masks in first} == {0, 1}
    assert {sum(masks["InputChoice3"]) for masks in first} == {2}
    assert {sum(masks["second"]) for masks in first} == {1}
