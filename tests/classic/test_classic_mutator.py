"""Mutators: masks that decide a model until the next reset, and what they refuse."""

import copy
import json
import pickle

import pytest
import torch
from classic_net import Net
from torch import nn

import retiarii.nn.pytorch as rnn
from retiarii.classic.pytorch.base_mutator import BaseMutator, unbind
from retiarii.classic.pytorch.darts import DartsMutator
from retiarii.classic.pytorch.fixed import FixedArchitecture, apply_fixed_architecture
from retiarii.classic.pytorch.mutables import InputChoice, LayerChoice, MutableScope
from retiarii.classic.pytorch.mutator import Mutator
from retiarii.classic.pytorch.random import RandomMutator
from retiarii.errors import ArchitectureError, LabelConflictError, SearchError
from retiarii.graph import build_module, draw

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


def test_a_choice_that_loses_a_candidate_has_to_be_decided_anew():
    model = scaled(1, 10, 100)
    mutator = Given(model, {"op": torch.tensor([False, True, False])})
    mutator.reset()
    assert model(torch.ones(1)) == 10
    del model[0]["0"]  # the mask would now select the third layer
    with pytest.raises(SearchError, match=r"'op' has 2 candidates, but had 3 when .* Call mutator\.reset\(\) again"):
        model(torch.ones(1))
    mutator.masks = {"op": torch.tensor([True, False])}
    mutator.reset()
    assert model(torch.ones(1)) == 10


def test_candidates_of_a_supernet_cannot_be_taken_away_until_it_is_unbound():
    model = scaled(1, 10, 100)
    mutator = DartsMutator(model)
    (choice,) = mutator.choices_by_key.values()
    for change in (lambda: choice.__delitem__("0"), lambda: choice.__setitem__(0, Scaled(2))):
        with pytest.raises(SearchError, match="cannot change while they are those of a supernet, which the DartsMut"):
            change()
    mutator.unbind()
    del choice["0"]
    choice[0] = Scaled(2)
    assert model(torch.ones(1)) == 2
    mutator = DartsMutator(model)
    mutator.reset()
    assert model(torch.ones(1)).item() == pytest.approx((2 + 100) / 2, abs=1)


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


def model_with_a_width():
    return rnn.Linear(3, rnn.ValueChoice([2, 4], label="width"))


class Cell(MutableScope):
    def __init__(self, key, inner):
        super().__init__(key)
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


def test_a_mutator_of_ones_own_may_keep_its_parameters_in_an_attribute_named_choices():
    class Learning(Mutator):
        """Names its parameters as the DARTS mutator of NNI 1.x does."""

        def __init__(self, model):
            super().__init__(model)
            self.choices = nn.ParameterDict()
            for mutable in self.mutables:
                self.choices[mutable.key] = nn.Parameter(torch.zeros(len(mutable)))

        def sample_search(self):
            return {mutable.key: self.choices[mutable.key].softmax(0) for mutable in self.mutables}

        def sample_final(self):
            return {mutable.key: self.choices[mutable.key].argmax() == torch.arange(2) for mutable in self.mutables}

    mutator = Learning(scaled(1, 3))
    optimizer = torch.optim.SGD(mutator.parameters(), lr=1.0)
    mutator.reset()
    output = mutator.model(torch.ones(1))
    assert output == 2
    (-output).backward()
    optimizer.step()
    assert mutator.export()["op"].tolist() == [False, True]
    assert mutator.status() == {"op": [0.5, 0.5]}


def test_a_mutator_that_returns_the_output_alone_is_told_so():
    class Alone(BaseMutator):
        def on_forward_layer_choice(self, mutable, *args):
            return mutable[0](*args)

        def on_forward_input_choice(self, mutable, tensor_list):
            return tensor_list[0]

    class Skipped(nn.Module):
        def __init__(self):
            super().__init__()
            self.pick = InputChoice(n_candidates=1, key="pick")

        def forward(self, x):
            return self.pick([x])

    for model, key in ((scaled(1, 2), "op"), (Skipped(), "pick")):
        Alone(model)
        with pytest.raises(SearchError, match=f"The Alone returned a Tensor for '{key}', expected a tuple of two"):
            model(torch.ones(2, 1))  # two rows, which are no output and mask


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


def test_export_json_writes_names_where_there_are_names_and_positions_elsewhere(tmp_path):
    masks = {
        "LayerChoice1": torch.tensor([False, True]),
        "second": torch.tensor([0.0, 1.0]),
        "InputChoice2": torch.tensor([False]),
        "InputChoice3": [True, False, True],
    }
    written = Given(Net(), masks).export_json(tmp_path / "new" / "architecture.json")
    expected = {"LayerChoice1": 1, "second": "skip", "InputChoice2": [], "InputChoice3": ["first", "sum"]}
    assert written == json.loads((tmp_path / "new" / "architecture.json").read_text()) == expected
    weighted = Given(Net(), {**masks, "LayerChoice1": torch.tensor([0.25, 0.75])}).export_json(tmp_path / "a.json")
    assert weighted["LayerChoice1"] == [0.25, 0.75]


def test_graph_is_the_network_that_is_decided_now():
    model = Net()
    mutator = Given(model, {})
    with pytest.raises(SearchError, match="is not decided yet"):
        mutator.graph(IMAGES)
    layers = {"LayerChoice1": [False, True], "second": [True, False]}
    mutator.masks = {**layers, "InputChoice2": [False], "InputChoice3": [True, False, True]}
    mutator.reset()
    graph = mutator.graph((IMAGES,))
    network = build_module(graph)
    names = ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "fc.weight", "fc.bias"]
    assert list(network.state_dict()) == names
    assert torch.equal(network(IMAGES), model(IMAGES))
    assert draw(graph, example_input=IMAGES).startswith("<svg")
    assert mutator.status()["LayerChoice1"] == [0.0, 1.0]
    with pytest.warns(UserWarning, match="'width'"):
        mutator = RandomMutator(nn.Sequential(model_with_a_width(), LayerChoice([nn.ReLU(), nn.Tanh()])))
    mutator.reset()
    assert len(list(build_module(mutator.graph(torch.ones(1, 3))).children())) == 2


def test_a_mutator_by_masks_says_which_choices_it_leaves_alone():
    model = nn.Sequential(model_with_a_width(), scaled(1, 2))
    with pytest.warns(UserWarning, match="a Given does not decide, so that they stay at their defaults: 'width'"):
        mutator = Given(model, {"op": [False, True]})
    mutator.reset()
    assert model(torch.ones(3)).shape == (2,)


def test_an_export_is_complete_where_the_model_has_choices_that_the_mutator_does_not_decide(tmp_path):
    def model():
        width = rnn.ValueChoice([2, 4], label="width")
        return nn.Sequential(rnn.Linear(1, width), LayerChoice([nn.ReLU(), nn.Tanh()], key="op"), rnn.Linear(width, 1))

    with pytest.warns(UserWarning, match="'width'"):
        mutator = RandomMutator(model())
    assert mutator.export()["width"] == 2
    assert mutator.export_json(tmp_path / "random.json").keys() == {"op", "width"}
    network = model()
    apply_fixed_architecture(network, tmp_path / "random.json")
    assert network(torch.ones(3, 1)).shape == (3, 1)
    with pytest.warns(UserWarning, match="'width'"):
        fixed = FixedArchitecture(model(), {"op": 1, "width": 4})
    assert fixed.export_json(tmp_path / "fixed.json") == {"op": 1, "width": 4}


def test_a_random_mutator_goes_on_from_its_state():
    mutator = RandomMutator(Net(), seed=1)
    mutator.sample_search()
    state = pickle.loads(pickle.dumps(mutator.state_dict()))
    expected = [mutator.sample_search()["second"].tolist() for _ in range(10)]
    other = RandomMutator(Net(), seed=2)
    other.load_state_dict(state)
    assert [other.sample_search()["second"].tolist() for _ in range(10)] == expected


def test_the_tree_of_mutables_follows_scopes_and_candidates():
    inner = LayerChoice([Scaled(1), Scaled(2)], key="inner")
    outer = LayerChoice([nn.Sequential(inner), Scaled(3)], key="outer")
    model = nn.Sequential(Cell("cell", outer), LayerChoice([Scaled(1), Scaled(2)], key="inner"))
    tree = RandomMutator(model).mutables
    assert [mutable.key for mutable in tree] == ["cell", "outer", "inner"]
    assert [mutable.key for mutable in tree.traverse("post")] == ["inner", "outer", "cell"]
    assert [mutable.name for mutable in tree.traverse(deduplicate=False)] == ["0", "0.inner", "0.inner.0.0", "1"]
    assert (len(tree), len(tree.children), tree.type()) == (3, 2, type(None))


def test_choices_inside_candidates_are_decided_where_they_are_run():
    inner = LayerChoice([Scaled(1), Scaled(2)], key="inner")
    model = nn.Sequential(LayerChoice([inner, Scaled(5)], key="outer"))
    mutator = Given(model, {"outer": [True, False], "inner": [False, True]})
    mutator.reset()
    assert model(torch.ones(1)).item() == 2.0
    mutator.masks = {"outer": [False, True], "inner": [False, True]}
    mutator.reset()
    assert model(torch.ones(1)).item() == 5.0
    apply_fixed_architecture(model, mutator.export())  # the inner one is not active, and yet it is no unknown key
    assert model(torch.ones(1)).item() == 5.0


def test_replicas_of_data_parallel_ask_the_same_mutator():
    model = scaled(1, 10)
    Given(model, {"op": [False, True]}).reset()
    replica = model[0]._replicate_for_data_parallel()
    replica._modules = dict(model[0]._modules)
    assert replica(torch.ones(1)).item() == 10.0
