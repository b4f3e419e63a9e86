"""Classic choices: containers with keys, and primitives like all others for spaces, supernets, graphs and searches."""

import copy
from collections import OrderedDict

import pytest
import torch
from classic_net import ARCHITECTURE, Net
from torch import nn

from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment
from retiarii.classic.pytorch.mutables import InputChoice, LayerChoice, Mutable, MutableScope
from retiarii.errors import DomainError, LabelConflictError
from retiarii.graph import draw
from retiarii.nn.pytorch import extract_space, fixed_arch, freeze, model_wrapper
from retiarii.oneshot import build_supernet
from retiarii.space import Architecture
from retiarii.strategy import DARTS, Random
from retiarii.testing.primitives import PrimitiveConformance

DATA = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(0))


def conv(size=3):
    return nn.Conv2d(4, 4, size, padding=size // 2)


class Unpacked(nn.Module):
    """Uses the mask of a choice, so that it has to come out of it in every form of the model."""

    def __init__(self, choice):
        super().__init__()
        self.choice = choice

    def forward(self, x):
        out, mask = self.choice(x)
        return out * (1 + mask.to(out).cumsum(0)[-1])


class Listed(nn.Module):
    """Takes the only element of the list that a choice returns."""

    def __init__(self, choice):
        super().__init__()
        self.choice = choice

    def forward(self, x):
        return self.choice(x)[0]


class Skip(nn.Module):
    """Adds what is chosen, if anything is."""

    def __init__(self, choice):
        super().__init__()
        self.choice = choice

    def forward(self, x):
        chosen = self.choice([x, x * 2, x * 3])
        return x if chosen is None else x + chosen


class FromDict(nn.Module):
    """Gives inputs by name, in another order than that of the candidates."""

    def __init__(self, choice):
        super().__init__()
        self.choice = choice

    def forward(self, x):
        return self.choice({"c": x * 2, "b": x + 1, "a": x})


class TestLayerChoice(PrimitiveConformance):
    @pytest.fixture
    def make(self):
        def make():
            inner = LayerChoice([conv(), nn.Identity()], key="inner")
            return LayerChoice({"conv": conv(1), "nested": nn.Sequential(inner, nn.ReLU())}, key="op")

        return make

    @pytest.fixture
    def inputs(self):
        return (DATA,)


class TestLayerChoiceWithMask(TestLayerChoice):
    host = Unpacked

    @pytest.fixture
    def make(self):
        return lambda: LayerChoice([conv(1), conv(3)], return_mask=True, key="op")


class TestLayerChoiceWithList(TestLayerChoice):
    host = Listed

    @pytest.fixture
    def make(self):
        return lambda: LayerChoice([conv(1), conv(3)], reduction="none", key="op")


class TestInputChoice(PrimitiveConformance):
    @pytest.fixture
    def make(self):
        return lambda: InputChoice(choose_from=["a", "", ""], n_chosen=2, reduction="mean", key="pick")

    @pytest.fixture
    def inputs(self):
        return ([DATA, DATA + 1, DATA * 2],)


class TestInputChoiceOfAny(TestLayerChoice):
    host = Skip

    @pytest.fixture
    def make(self):
        return lambda: InputChoice(n_candidates=3, key="pick")


class TestInputChoiceWithMask(TestInputChoice):
    host = Unpacked

    @pytest.fixture
    def make(self):
        return lambda: InputChoice(n_candidates=3, n_chosen=1, return_mask=True, key="pick")


class TestInputChoiceOfDict(TestLayerChoice):
    host = FromDict

    @pytest.fixture
    def make(self):
        return lambda: InputChoice(choose_from=["a", "b", "c"], n_chosen=2, key="pick")


# Containers


def test_a_layer_choice_is_a_container_of_its_candidates():
    layers = [nn.Linear(2, 2), nn.Identity(), nn.ReLU()]
    choice = LayerChoice(OrderedDict(linear=layers[0], skip=layers[1], relu=layers[2]))
    assert (len(choice), choice.length, list(choice), choice.choices) == (3, 3, layers, layers)
    assert choice.names == ["linear", "skip", "relu"]
    assert [choice[0], choice[-1], choice["skip"]] == [layers[0], layers[2], layers[1]]
    assert choice[1:] == layers[1:]
    assert "skip" in choice
    choice[1] = nn.Tanh()
    choice["relu"] = nn.Sigmoid()
    assert [type(layer) for layer in choice] == [nn.Linear, nn.Tanh, nn.Sigmoid]
    del choice["skip"]
    assert choice.names == ["linear", "relu"]
    del choice[0]
    assert list(choice.state_dict()) == []
    assert isinstance(choice, Mutable)


def test_candidates_of_a_list_can_be_deleted_by_slice_and_the_rest_is_decided():
    model = nn.Sequential(LayerChoice([nn.Linear(2, size) for size in (1, 2, 3, 4)], key="op"))
    del model[0][1:3]
    assert [layer.out_features for layer in model[0]] == [1, 4]
    assert extract_space(model).size == 2
    assert freeze(model, {"op": 1})[0].out_features == 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LayerChoice([]), "no candidate"),
        (lambda: LayerChoice([nn.ReLU()], reduction="max"), "has reduction='max', expected one of sum, mean, concat"),
        (lambda: LayerChoice({"key": nn.ReLU()}), "cannot have a candidate named 'key'"),
        (lambda: LayerChoice({"return_mask": nn.ReLU()}), "cannot have a candidate named 'return_mask'"),
        (lambda: LayerChoice("conv"), "expected a list or a dict"),
        (lambda: InputChoice(), "neither n_candidates nor choose_from"),
        (lambda: InputChoice(n_candidates=2, choose_from=["a"]), r"n_candidates=2 and 1 names"),
        (lambda: InputChoice(n_candidates=2, n_chosen=3), "from 3 to 3 of 2 candidates"),
        (lambda: InputChoice(n_candidates=0), "n_candidates=0, expected"),
        (lambda: InputChoice(n_candidates=2, reduction="first"), "has reduction='first', expected one of"),
    ],
)
def test_impossible_choices_are_refused(make, message):
    with pytest.raises(DomainError, match=message):
        make()


# Inputs


def test_without_a_mutator_the_first_candidates_run():
    x = [torch.full((1, 2), float(number)) for number in (1, 2, 3)]
    assert InputChoice(3)(x) is x[0]
    assert InputChoice(3, n_chosen=2)(x).tolist() == [[3.0, 3.0]]
    assert InputChoice(3, n_chosen=2, reduction="concat")(x).shape == (1, 4)
    assert InputChoice(3, n_chosen=2, reduction="none")(x) == x[:2]
    out, mask = InputChoice(3, n_chosen=2, reduction="mean", return_mask=True)(tuple(x))
    assert (out.tolist(), mask.tolist()) == ([[1.5, 1.5]], [True, True, False])
    out, mask = LayerChoice([nn.Identity(), nn.ReLU()], reduction="none", return_mask=True)(x[0])
    assert (out, mask.tolist()) == ([x[0]], [True, False])


def test_inputs_in_a_dict_are_taken_by_the_names_of_choose_from():
    choice = InputChoice(choose_from=["a", InputChoice.NO_KEY, InputChoice.NO_KEY], n_chosen=2)
    tensors = {"": torch.ones(1), "b": torch.zeros(1), "a": torch.full((1,), 5.0)}
    assert choice(tensors).item() == 6.0
    with pytest.raises(DomainError, match=r"got a dict with the inputs \['x'\].*'a' is missing"):
        choice({"x": torch.ones(1)})
    with pytest.raises(DomainError, match="got 2 inputs, expected 3"):
        choice([torch.ones(1)] * 2)
    with pytest.raises(DomainError, match="inputs of type Tensor, expected a list or a dict"):
        choice(torch.ones(3))


# Keys


def test_keys_are_strings_and_automatic_ones_are_numbered_in_the_space_of_the_model():
    Net()
    space = extract_space(Net())
    assert [choice.label for choice in space] == ["LayerChoice1", "second", "InputChoice2", "InputChoice3"]
    assert LayerChoice([nn.ReLU()], key=7).key == "7"

    class Wider(LayerChoice):
        pass

    assert Wider([nn.ReLU()]).key.startswith("Wider")
    assert Mutable().key.startswith("Mutable")
    assert MutableScope("cell").name == "cell"


def test_inside_a_model_wrapper_keys_are_numbered_from_one_as_well():
    @model_wrapper
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.op = LayerChoice([nn.ReLU(), nn.Tanh()])
            self.pick = InputChoice(2)

    Wrapped()
    assert [choice.label for choice in extract_space(Wrapped())] == ["LayerChoice1", "InputChoice2"]


def test_one_key_with_different_candidates_names_both_places():
    model = nn.Sequential(LayerChoice([nn.ReLU(), nn.Tanh()], key="op"), LayerChoice([nn.ReLU()], key="op"))
    with pytest.raises(LabelConflictError) as caught:
        extract_space(model)
    assert all(f"Sequential.{number}" in str(caught.value) for number in (0, 1))


# The rest of the house


def test_an_architecture_fixes_the_model_everywhere_alike():
    torch.manual_seed(0)
    model = Net()
    images = torch.randn(2, 1, 8, 8)
    frozen = freeze(model, ARCHITECTURE, weights="keep")
    with fixed_arch(ARCHITECTURE, verbose=False):
        built = Net()
    built.load_state_dict(frozen.state_dict())
    supernet = build_supernet(model)
    supernet.set_architecture(extract_space(model).architecture(ARCHITECTURE))
    in_place = freeze(copy.deepcopy(model), ARCHITECTURE, in_place=True)
    for other in (built, supernet.module, in_place):
        assert torch.equal(other(images), frozen(images))
    assert "LayerChoice" not in draw(model, ARCHITECTURE)


def test_scopes_are_plain_modules_for_graphs_and_freezing():
    class Cell(MutableScope):
        def __init__(self):
            super().__init__("cell")
            self.op = LayerChoice([nn.Linear(3, 3), nn.Identity()], key="op")

        def forward(self, x):
            return self.op(x) + x

    model = nn.Sequential(Cell(), nn.Linear(3, 2))
    frozen = freeze(model, {"op": 0}, weights="keep")
    x = torch.randn(2, 3)
    assert torch.equal(frozen(x), model(x))
    assert list(frozen.state_dict()) == ["0.op.weight", "0.op.bias", "1.weight", "1.bias"]
    assert "LayerChoice" in draw(model)
    assert "LayerChoice" not in draw(model, {"op": 0})


def test_a_model_of_several_outputs_at_once_is_fixed_with_all_of_them():
    torch.manual_seed(0)
    model = nn.Sequential(
        LayerChoice([nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)], reduction="concat", key="op")
    )
    x = torch.randn(3, 2)
    frozen = freeze(model, {"op": [0, 2]}, weights="keep")
    assert torch.equal(frozen(x), torch.cat([model[0][0](x), model[0][2](x)], dim=1))
    assert list(frozen.state_dict()) == ["0.0.weight", "0.0.bias", "0.2.weight", "0.2.bias"]
    weighted = freeze(nn.Sequential(LayerChoice(list(model[0]), key="op")), {"op": [0.5, 0.0, 2.0]}, weights="keep")
    assert torch.allclose(weighted(x), 0.5 * model[0][0](x) + 2 * model[0][2](x))
    with fixed_arch({"op": [0, 2]}, verbose=False):
        built = nn.Sequential(LayerChoice([nn.Linear(2, 2) for _ in range(3)], reduction="concat", key="op"))
    assert list(built.state_dict()) == list(frozen.state_dict())


def test_masks_in_supernets_are_the_weights_of_the_mixture():
    model = Unpacked(LayerChoice([nn.Identity(), nn.Tanh()], return_mask=True, key="op"))
    supernet = build_supernet(model)
    (decision,) = supernet.decisions.values()
    decision.mix(torch.tensor([0.25, 0.75]))
    out, mask = supernet.module.choice(torch.ones(1))
    assert mask.tolist() == [0.25, 0.75]
    assert out.item() == pytest.approx(0.25 + 0.75 * torch.ones(1).tanh().item())
    model = InputChoice(3, return_mask=True, reduction="none", key="pick")
    supernet = build_supernet(nn.Sequential(model))
    (decision,) = supernet.decisions.values()
    decision.choose((0, 2))
    out, mask = supernet.module([1, 2, 3])
    assert (out, mask.tolist()) == ([1, 3], [True, False, True])


def score(model):
    return float(sum(parameter.numel() for parameter in model.parameters()))


@pytest.mark.parametrize("is_one_shot", [False, True])
def test_experiments_search_classic_models(is_one_shot, tmp_path):
    images = torch.randn(16, 1, 8, 8)
    data = torch.utils.data.TensorDataset(images, images.mean((1, 2, 3)).gt(0).long())
    if is_one_shot:
        from retiarii.evaluator.pytorch.lightning import Classification, DataLoader

        loaders = {name: DataLoader(data, batch_size=8) for name in ("train_dataloaders", "val_dataloaders")}
        options = {"max_epochs": 1, "logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        evaluator = Classification(num_classes=3, **loaders, **options, enable_model_summary=False)
        experiment = RetiariiExperiment(Net(), evaluator, [], DARTS())
    else:
        experiment = RetiariiExperiment(Net(), FunctionalEvaluator(score), [], Random())
    config = RetiariiExeConfig()
    config.execution_engine = "oneshot" if is_one_shot else "py"
    config.max_trial_number = 6
    experiment.run(config)
    (best,) = experiment.export_top_models(top_k=1)
    assert isinstance(best, (dict, Architecture))
    assert freeze(Net(), best)(images).shape == (16, 3)
