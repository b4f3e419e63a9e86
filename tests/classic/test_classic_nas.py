"""`get_and_apply_next_architecture`, `ClassicMutator`: the space of a model, and its architecture in a trial."""

import copy
import logging

import pytest
import torch
from classic_net import Net
from torch import nn

import retiarii.nn.pytorch as rnn
from retiarii.classic import ParameterSpace
from retiarii.classic.pytorch import classic_nas
from retiarii.classic.pytorch._model_parameters import ModelParameters
from retiarii.classic.pytorch.classic_nas import ClassicMutator, get_and_apply_next_architecture
from retiarii.classic.pytorch.fixed import apply_fixed_architecture
from retiarii.classic.pytorch.mutables import InputChoice, LayerChoice
from retiarii.errors import ArchitectureError, SearchError, SpaceError

IMAGES = torch.arange(2 * 64.0).reshape(2, 1, 8, 8) / 64
SPACE = {
    "LayerChoice1": {"_type": "layer_choice", "_value": ["0", "1"]},
    "second": {"_type": "layer_choice", "_value": ["conv", "skip"]},
    "InputChoice2": {"_type": "input_choice", "_value": {"candidates": [""], "n_chosen": None}},
    "InputChoice3": {"_type": "input_choice", "_value": {"candidates": ["first", "second", "sum"], "n_chosen": 2}},
}
PARAMETERS = {
    "LayerChoice1": {"_value": "1", "_idx": 1},
    "second": {"_value": "skip", "_idx": 1},
    "InputChoice2": {"_value": [], "_idx": []},
    "InputChoice3": {"_value": ["first", "sum"], "_idx": [0, 2]},
    "lr": 0.1,
}
ARCHITECTURE = {"LayerChoice1": 1, "second": "skip", "InputChoice2": [], "InputChoice3": ["first", "sum"]}


@pytest.fixture
def trial(monkeypatch):
    """Make this process look like the command of a trial with some parameters."""

    def run_with(parameters):
        monkeypatch.setattr(classic_nas, "is_command_of_trial", lambda: True)
        monkeypatch.setattr(classic_nas, "get_next_parameter", lambda: parameters)

    return run_with


def test_the_search_space_is_that_of_the_specification():
    assert ModelParameters(Net()).description == SPACE
    assert ModelParameters(Net()).description == SPACE  # a second model has the same keys
    ParameterSpace(SPACE)


@pytest.mark.parametrize("make", [get_and_apply_next_architecture, ClassicMutator])
def test_the_parameters_of_a_trial_decide(trial, make):
    trial(PARAMETERS)
    model = Net()
    expected = copy.deepcopy(model)
    apply_fixed_architecture(expected, ARCHITECTURE)
    mutator = make(model)  # the model has a mutator only as long as this is kept
    torch.testing.assert_close(model(IMAGES), expected(IMAGES))
    if mutator is None:
        assert list(model.state_dict()) == list(expected.state_dict())
        assert not any(isinstance(module, (LayerChoice, InputChoice)) for module in model.modules())
    else:
        assert mutator.status()["InputChoice3"] == [1, 0, 1]
        assert {key: mask.tolist() for key, mask in mutator.export().items()}["second"] == [False, True]


@pytest.mark.parametrize("make", [get_and_apply_next_architecture, ClassicMutator])
def test_a_script_on_its_own_runs_the_first_candidates(make, caplog):
    model = Net()
    expected = model(IMAGES)
    with caplog.at_level(logging.WARNING):
        mutator = make(model)
    torch.testing.assert_close(model(IMAGES), expected)
    assert "No experiment runs this script" in caplog.text
    assert '"second":"conv"' in caplog.text
    del mutator


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"second": None}, "no value for 'second'"),
        ({"third": {"_value": "a", "_idx": 0}}, "'third', which is no choice of the model"),
        ({"second": {"_value": "skip", "_idx": 0}}, "'second' has value"),
        ({"second": {"_value": "pool", "_idx": 1}}, "'second' has value"),
        ({"InputChoice3": {"_value": ["first"], "_idx": [0]}}, "'InputChoice3' has value"),
        ({"LayerChoice1": {"_value": "2", "_idx": 2}}, "'LayerChoice1' has value"),
    ],
)
@pytest.mark.parametrize("make", [get_and_apply_next_architecture, ClassicMutator])
def test_parameters_that_do_not_fit_are_refused(trial, make, change, message):
    trial({name: value for name, value in {**PARAMETERS, **change}.items() if value is not None})
    model = Net()
    with pytest.raises(ArchitectureError, match="do not fit Net") as caught:
        make(model)
    assert message in str(caught.value)
    assert "retiarii ss-gen" in str(caught.value)
    assert isinstance(model.conv1, LayerChoice)
    trial(PARAMETERS)
    ClassicMutator(model)  # it is not bound to a mutator


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = rnn.LayerChoice(
            {"deep": rnn.Linear(4, 4, bias=rnn.ValueChoice([True, False], label="bias")), "none": rnn.Identity()},
            label="layer",
        )
        self.inputs = rnn.InputChoice(3, n_chosen=1, label="inputs")
        self.named = rnn.InputChoice(n_chosen=None, choose_from=["a", "b"], label="named")
        self.dropout = rnn.Dropout(rnn.ValueChoice([0.25, 0.5], label="rate"))
        self.blocks = rnn.Repeat(lambda index: nn.Linear(4, 4), (1, 3), label="depth")

    def forward(self, x):
        x = self.layer(x)
        x = self.inputs([x, x + 1, x + 2])
        named = self.named([x, -x])
        return self.blocks(self.dropout(x if named is None else named))


def test_choices_of_this_package_have_their_equivalents(trial):
    assert ModelParameters(Mixed()).description == {
        "layer": {"_type": "layer_choice", "_value": ["deep", "none"]},
        "bias": {"_type": "choice", "_value": [True, False]},
        "inputs": {"_type": "input_choice", "_value": {"candidates": ["0", "1", "2"], "n_chosen": 1}},
        "named": {"_type": "input_choice", "_value": {"candidates": ["a", "b"], "n_chosen": None}},
        "rate": {"_type": "choice", "_value": [0.25, 0.5]},
        "depth": {"_type": "choice", "_value": [1, 2, 3]},
    }
    space = ParameterSpace(ModelParameters(Mixed()).description)
    trial(
        {
            "layer": {"_value": "none", "_idx": 1},
            "bias": False,  # of a candidate that is not chosen
            "inputs": {"_value": ["2"], "_idx": [2]},
            "named": {"_value": [], "_idx": []},
            "rate": 0.5,
            "depth": 2,
        }
    )
    model = Mixed()
    get_and_apply_next_architecture(model)
    assert isinstance(model.layer, nn.Identity)
    assert model.dropout.p == 0.5
    assert len(model.blocks) == 2
    x = torch.ones(1, 4)
    model.eval()
    torch.testing.assert_close(model(x), model.blocks(x + 2))
    for architecture in space.space.grid():
        trial(space.parameters(architecture))
        get_and_apply_next_architecture(Mixed())


def test_ranges_have_their_equivalents(trial):
    def model():
        return nn.Sequential(
            rnn.Linear(4, rnn.IntegerRange(3, 8, label="width")),
            rnn.Dropout(rnn.FloatRange(0.1, 0.5, label="rate")),
            rnn.LayerNorm(rnn.ValueChoice([3], label="one"), eps=rnn.FloatRange(1e-6, 1e-3, log=True, label="eps")),
        )

    assert ModelParameters(model()).description == {
        "width": {"_type": "randint", "_value": [3, 9]},
        "rate": {"_type": "uniform", "_value": [0.1, 0.5]},
        "one": {"_type": "choice", "_value": [3]},
        "eps": {"_type": "loguniform", "_value": [1e-6, 1e-3]},
    }
    trial({"width": 8, "rate": 0.3, "one": 3, "eps": 1e-4})
    network = model()
    network[0].weight.data.fill_(7)
    with pytest.warns(rnn.WeightsLostWarning, match="0 .Linear."):  # it is larger than that of the base model
        get_and_apply_next_architecture(network)
    assert (network[0].out_features, network[1].p, network[2].eps) == (8, 0.3, 1e-4)


def test_choices_without_an_equivalent_are_named():
    class Logarithmic(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = rnn.Linear(4, rnn.IntegerRange(4, 64, step=4, label="width"))

    with pytest.raises(SpaceError, match=r"'width'.*RetiariiExperiment"):
        get_and_apply_next_architecture(Logarithmic())
    with pytest.raises(SpaceError, match="Linear has no choices"):
        get_and_apply_next_architecture(nn.Linear(2, 2))
    with pytest.raises(SpaceError, match="depend on each other"):
        get_and_apply_next_architecture(
            nn.Sequential(
                rnn.NasBench101Cell(
                    {
                        "a": lambda features: nn.Linear(features, features),
                        "b": lambda features: nn.Linear(features, features),
                    },
                    4,
                    4,
                    lambda features_in, features_out: nn.Linear(features_in, features_out),
                    label="cell",
                )
            )
        )
    with pytest.raises(SpaceError, match=r"'bias'.*get_and_apply_next_architecture"):
        ClassicMutator(Mixed())


def test_a_second_mutator_is_refused():
    model = Net()
    mutator = ClassicMutator(model)
    with pytest.raises(SearchError, match="ClassicMutator"):
        ClassicMutator(model)
    mutator.unbind()
    ClassicMutator(model)
