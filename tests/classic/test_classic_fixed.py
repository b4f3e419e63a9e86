"""`apply_fixed_architecture`: every form of an architecture, in place, and what it refuses."""

import json
import pickle

import numpy as np
import pytest
import torch
from classic_net import ARCHITECTURE, Net
from torch import nn

import retiarii.nn.pytorch as rnn
from retiarii.classic.pytorch.fixed import FixedArchitecture, apply_fixed_architecture
from retiarii.classic.pytorch.mutables import LayerChoice, Mutable
from retiarii.classic.pytorch.random import RandomMutator
from retiarii.errors import ArchitectureError, FreezeError
from retiarii.nn.pytorch import extract_space, freeze

IMAGES = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))

FORMS = {
    "LayerChoice1": [1, "1", [1], [False, True], np.array([False, True]), torch.tensor([False, True])],
    "second": ["skip", 1, ["skip"], [1], [False, True]],
    "InputChoice2": [[0], 0, [True], "", [""], torch.tensor([True])],
    "InputChoice3": [["first", "sum"], ["sum", "first"], [0, 2], [True, False, True], np.array([True, False, True])],
}


def fixed(architecture):
    torch.manual_seed(0)
    model = Net()
    apply_fixed_architecture(model, architecture)
    return model


@pytest.mark.parametrize(("key", "form"), [(key, form) for key, forms in FORMS.items() for form in forms])
def test_every_form_of_a_choice_gives_the_same_network(key, form):
    model = fixed({**ARCHITECTURE, key: form})
    assert torch.equal(model(IMAGES), fixed(ARCHITECTURE)(IMAGES))


def test_the_model_itself_becomes_a_plain_network_with_the_same_parameters():
    model = Net()
    kept = {"conv1.weight": model.conv1[1].weight, "fc.weight": model.fc.weight}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    expected = freeze(model, ARCHITECTURE, weights="keep")(IMAGES)
    linear = model.fc
    apply_fixed_architecture(model, ARCHITECTURE)
    assert torch.equal(model(IMAGES), expected)
    assert list(model.state_dict()) == ["conv1.weight", "conv1.bias", "fc.weight", "fc.bias"]
    assert all(dict(model.named_parameters())[name] is parameter for name, parameter in kept.items())
    assert model.fc is linear
    assert not [module for module in model.modules() if isinstance(module, Mutable)]
    assert len(extract_space(model)) == 0
    model(IMAGES).sum().backward()
    optimizer.step()
    assert not torch.equal(model(IMAGES), expected)
    assert torch.equal(pickle.loads(pickle.dumps(model))(IMAGES), model(IMAGES))


def test_a_file_is_read_and_a_mutator_is_unbound(tmp_path):
    file = tmp_path / "final_architecture.json"
    file.write_text(json.dumps(ARCHITECTURE))
    model = Net()
    RandomMutator(model).reset()
    apply_fixed_architecture(model, str(file))
    assert model(IMAGES).shape == (2, 3)
    assert fixed(file)(IMAGES).shape == (2, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"LayerChoice2": 0}, r"has a value for 'LayerChoice2', but.*Did you mean 'LayerChoice1'"),
        ({"second": "skop"}, r"Choice 'second' has value 'skop', expected.*Did you mean 'skip'"),
        ({"InputChoice3": None}, r"no value for the choice 'InputChoice3' \(declared at pick\)"),
        ({"LayerChoice1": [True]}, "'LayerChoice1'"),
        ({"LayerChoice1": 2}, "'LayerChoice1' has value 2, expected"),
        ({"LayerChoice1": [False, False]}, "'LayerChoice1'"),
        ({"InputChoice3": ["first"]}, "'InputChoice3' has value .*expected a list of 2 of"),
        ({"InputChoice3": [True, True, True]}, "'InputChoice3' has value .*expected a list of 2 of"),
        ({"InputChoice3": [0, 0]}, "'InputChoice3' has value .*without duplicates"),
    ],
)
def test_wrong_architectures_are_refused_and_leave_the_model_as_it_is(change, message):
    model = Net()
    before = model(IMAGES), extract_space(model), list(model.modules())
    architecture = {key: value for key, value in {**ARCHITECTURE, **change}.items() if value is not None}
    with pytest.raises(ArchitectureError, match=message):
        apply_fixed_architecture(model, architecture)
    assert torch.equal(model(IMAGES), before[0])
    assert extract_space(model) == before[1]
    assert list(model.modules()) == before[2]


def test_files_that_are_no_architectures_are_refused(tmp_path):
    with pytest.raises(ArchitectureError, match=r"There is no architecture file 'nowhere\.json'"):
        apply_fixed_architecture(Net(), "nowhere.json")
    (tmp_path / "a.json").write_text("__import__('os').system('true')")
    with pytest.raises(ArchitectureError, match="is not JSON"):
        apply_fixed_architecture(Net(), tmp_path / "a.json")
    with pytest.raises(ArchitectureError, match="An architecture is a mapping"):
        apply_fixed_architecture(Net(), [1, 2])


def test_very_long_values_are_shown_in_part(tmp_path):
    path = tmp_path / "architecture.json"
    for value in (["conv"] * 100_000, "conv" * 100_000):
        path.write_text(json.dumps({**ARCHITECTURE, "LayerChoice1": value}))
        with pytest.raises(
            ArchitectureError, match=r"'LayerChoice1' has value .*\(\d00,\d\d\d characters\), expected"
        ) as error:
            apply_fixed_architecture(Net(), path)
        assert len(str(error.value)) < 1000


def test_only_models_are_fixed():
    with pytest.raises(TypeError, match="expected a model"):
        apply_fixed_architecture("model", {})


def test_layers_with_choices_in_their_arguments_are_cut_to_size():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Net()
            self.wide = rnn.Linear(3, rnn.ValueChoice([8, 4], label="width"))
            self.rate = rnn.ValueChoice([0.5, 0.25], label="rate")

        def forward(self, x):
            return self.wide(self.net(x)) * self.rate()

    model = Mixed()
    conv, weight, bias = model.net.conv1[1], model.wide.weight, model.wide.bias
    apply_fixed_architecture(model, {**ARCHITECTURE, "width": 4, "rate": 0.25})
    assert torch.equal(model.wide.weight, weight[:4])
    assert torch.equal(model.wide.bias, bias[:4])
    assert model.net.conv1 is conv
    assert model(IMAGES).shape == (2, 4)


def test_a_fixed_architecture_decides_the_model_and_leaves_it_as_it_is():
    torch.manual_seed(0)
    model = Net()
    mutator = FixedArchitecture(model, ARCHITECTURE)
    mutator.reset()
    assert torch.equal(model(IMAGES), fixed(ARCHITECTURE)(IMAGES))
    assert mutator.export()["InputChoice3"].tolist() == [True, False, True]
    assert len(model.conv1) == 2
    with pytest.raises(ArchitectureError, match="no value for the choice 'InputChoice3'"):
        FixedArchitecture(Net(), {key: ARCHITECTURE[key] for key in list(ARCHITECTURE)[:-1]})
    with pytest.raises(ArchitectureError, match="Did you mean 'LayerChoice1'"):
        FixedArchitecture(Net(), {**ARCHITECTURE, "LayerChoice": 1})
    lenient = FixedArchitecture(Net(), {**ARCHITECTURE, "LayerChoice": 1}, strict=False)
    assert "LayerChoice" not in lenient.export()


def test_references_to_removed_candidates_are_gone_and_shared_modules_stay_shared():
    class Referring(nn.Module):
        def __init__(self):
            super().__init__()
            self.op = LayerChoice([nn.Linear(2, 2), nn.Linear(2, 2)], key="op")
            self.same = self.op
            self.kept = [self.op, *self.op]
            self.tied = nn.Linear(2, 2)
            self.tied.weight = self.op[1].weight

        def forward(self, x):
            return self.tied(self.same(self.op(x)))

    model = Referring()
    chosen = model.op[1]
    apply_fixed_architecture(model, {"op": 1})
    assert model.op is model.same is chosen
    assert model.kept == [chosen, None, chosen]
    assert model.tied.weight is chosen.weight
    assert model(torch.ones(1, 2)).shape == (1, 2)


def test_a_model_that_is_a_choice_itself_is_refused():
    with pytest.raises(FreezeError, match="is itself a choice"):
        apply_fixed_architecture(LayerChoice([nn.ReLU(), nn.Tanh()], key="op"), {"op": 1})


def test_what_is_applied_is_logged_unless_one_does_not_want_it(caplog):
    caplog.set_level("INFO")
    apply_fixed_architecture(Net(), ARCHITECTURE, verbose=False)
    assert not caplog.messages
    apply_fixed_architecture(Net(), ARCHITECTURE)
    assert caplog.messages[0].startswith('Fixed Net to {"InputChoice2":[0],')
