"""Every code block of documents 2, 3 and 4 of the specification, run by ``retiarii run`` where it uses NNI.

The blocks are word for word, but for data paths, epochs and the slips that `fixed` lists with their reasons.
"""

import json
import re
import sys
from pathlib import Path

import pytest
import spec_blocks_classic as spec
from spec_reading import blocks_of, fixed, in_class, stands_in

BLOCKS = blocks_of(spec)
ALSO_IN_DOCUMENT_3 = ("LAYER_CHOICE_NET", "INPUT_CHOICE_NET")


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_are_word_for_word(name):
    assert stands_in(BLOCKS[name], 2, 4)


@pytest.mark.parametrize("name", ALSO_IN_DOCUMENT_3)
def test_blocks_of_the_document_about_search_spaces_are_the_same(name):
    assert stands_in(BLOCKS[name], 3)


_IMPORTS = """
import json
import torch
import torch.nn as nn
import torch.nn.functional as F
"""

_FORWARD_END = """\
        x = self.dropout1(x)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = self.dropout2(x.unsqueeze(-1)).squeeze(-1)
        output = F.log_softmax(self.fc2(x), dim=1)
"""

LAYER_CHOICE_NET = fixed(
    spec.LAYER_CHOICE_NET,
    (
        "nn.Conv2d(1, 32, 5, 3)",
        "nn.Conv2d(1, 32, 5, 1, 1)",
        "with a stride of 3 its output is smaller than that of the other, and does not fit fc1",
    ),
    (
        "        # ... same as original ...\n",
        "        x = F.max_pool2d(F.relu(self.conv2(x)), 2)\n" + _FORWARD_END,
        "left to the reader",
    ),
)


def _input_choice_net():
    before, after = spec.INPUT_CHOICE_NET.split("        self.conv2")
    init = "".join(spec.LAYER_CHOICE_NET.partition("self.conv1")[1:]).partition("        self.conv2")
    layers = fixed("        " + init[0], ("nn.Conv2d(1, 32, 5, 3)", "nn.Conv2d(1, 32, 5, 1, 1)", "as above"))
    rest = "        self.conv2" + after
    first, second, third = rest.split("        # ... same ...\n")
    assert before.endswith("        # ... same ...\n")
    head = before.removesuffix("        # ... same ...\n") + "        super(Net, self).__init__()\n"
    others = "".join(init[1:]).partition("\n\n")[0].partition("\n")[2]  # the layers after conv2
    return head + layers + first + others + "\n" + second + _FORWARD_END + third


INPUT_CHOICE_NET = _input_choice_net()

_DATA = """
from torch.utils.data import TensorDataset

train_transform = valid_transform = None

# A stand-in for torchvision's, of which there is no build for every torch.
def CIFAR10(root, train, download, transform):
    generator = torch.Generator().manual_seed(int(train))
    return TensorDataset(
        torch.rand(160, 1, 28, 28, generator=generator), torch.randint(10, (160,), generator=generator)
    )
"""


def _training():
    return fixed(
        spec.ONE_SHOT_TRAINING,
        ("torch.max(, 1)", "torch.max(output, 1)", "an argument is missing"),
        ("reward_accuracy(output", "top1_accuracy(output", "the function has another name above"),
        (
            "enas.EnasTrainer(model,\n",
            "enas.EnasTrainer(model, criterion, metrics_fn, top1_accuracy, optimizer, dataset_train=dataset_train,\n"
            "                           dataset_valid=dataset_valid, workers=0, child_steps=3, mutator_steps=1,\n",
            "the loss, the metrics, the optimizer and the data sets are missing; and fewer steps",
        ),
        ("num_epochs=10,", "num_epochs=1,", "epochs"),
    )


def test_models_run_before_any_search(run):
    printed = run(
        _IMPORTS,
        LAYER_CHOICE_NET,
        "print(Net()(torch.zeros(2, 1, 28, 28)).shape)",
        INPUT_CHOICE_NET,
        "print(Net()(torch.zeros(2, 1, 28, 28)).shape)",
        "from retiarii import extract_space",
        "print(int(extract_space(Net()).size))",
    )
    assert printed.splitlines() == ["torch.Size([2, 10])"] * 2 + ["4"]


@pytest.mark.timeout(240)
def test_search_with_a_trainer_and_retraining(run, tmp_path):
    printed = run(
        _IMPORTS,
        INPUT_CHOICE_NET,
        _DATA,
        _training(),
        "from nni.nas.pytorch.fixed import apply_fixed_architecture  # the document does not say where it comes from",
        spec.RETRAINING,
        "print(type(model.conv1).__name__, model(torch.zeros(2, 1, 28, 28)).shape)",
        "print(sorted(name for name in model.state_dict() if name.startswith('conv1')))",
    )
    assert printed.splitlines()[-2:] == ["Conv2d torch.Size([2, 10])", "['conv1.bias', 'conv1.weight']"]
    architecture = json.loads((tmp_path / "model_dir" / "final_architecture.json").read_text())
    assert sorted(architecture) == ["InputChoice2", "LayerChoice1"]


def test_a_file_with_each_form_of_choice(run, tmp_path):
    (tmp_path / "architecture.json").write_text("{" + spec.ARCHITECTURE_FILE + "}")
    printed = run(
        _IMPORTS,
        """
from collections import OrderedDict
from nni.nas.pytorch import mutables
from nni.nas.pytorch.fixed import apply_fixed_architecture

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = mutables.LayerChoice(OrderedDict(conv3x3=nn.Conv2d(1, 1, 3), conv5x5=nn.Conv2d(1, 1, 5)))
        self.second = mutables.LayerChoice([nn.Linear(size, 2) for size in range(1, 9)])
        self.third = mutables.InputChoice(choose_from=["layer1", "layer2", "layer3"], n_chosen=2)
        self.fourth = mutables.InputChoice(n_candidates=3, n_chosen=2)
        self.fifth = mutables.InputChoice(n_candidates=5)

model = Net()
apply_fixed_architecture(model, "architecture.json")
one, two, four, eight, sixteen = (torch.tensor(2.0 ** power) for power in range(5))
print(model.first.kernel_size, model.second.in_features)
print(int(model.third([one, two, four])), int(model.fourth([one, two, four])))
print(int(model.fifth([one, two, four, eight, sixteen])))
""",
    )
    assert printed.splitlines() == ["(5, 5) 7", "5 6", "18"]


_OWN_MUTATOR = """
import numpy as np
from nni.nas.pytorch.mutator import Mutator
from nni.nas.pytorch.mutables import InputChoice, LayerChoice
"""


def test_a_mutator_of_ones_own(run):
    printed = run(
        _IMPORTS,
        INPUT_CHOICE_NET,
        _DATA,
        _OWN_MUTATOR,
        spec.RANDOM_MUTATOR,
        "Model, MyMutator = Net, RandomMutator",
        spec.MUTATOR_OF_A_MODEL,
        "epochs, criterion = 1, nn.CrossEntropyLoss()",
        "data_loader = torch.utils.data.DataLoader(CIFAR10('.', True, True, None), batch_size=40)",
        "drawn = set()",
        spec.TRAINING_WITH_A_MUTATOR,
        "        drawn.add(str(mutator.status()))",
        "exported = mutator.export()",
        "print(sorted(exported), [mask.dtype for mask in exported.values()])",
        "model = Net()",
        spec.DEBUGGING,
        "print(model(torch.zeros(2, 1, 28, 28)).shape)",
    )
    assert printed.splitlines() == [
        "['InputChoice2', 'LayerChoice1'] [torch.bool, torch.bool]",
        "torch.Size([2, 10])",
    ]


def test_what_happens_on_reset_and_export(run):
    printed = run(
        _IMPORTS,
        LAYER_CHOICE_NET,
        _OWN_MUTATOR,
        "class Own(Mutator):",
        "    def apply_on_model(self, masks):",
        "        print('applied', {key: mask.tolist() for key, mask in masks.items()})",
        "    def sample_search(self):",
        "        return {'LayerChoice1': torch.tensor([True, False])}",
        "    def sample_final(self):",
        "        return {'LayerChoice1': torch.tensor([False, True])}",
        in_class(spec.RESET_AND_EXPORT, 4),
        "mutator = Own(Net())",
        "mutator.reset()",
        "print({key: mask.tolist() for key, mask in mutator.export().items()})",
    )
    assert printed.splitlines() == [
        "applied {'LayerChoice1': [True, False]}",
        "{'LayerChoice1': [False, True]}",
    ]


_TRIAL = """
import nni
import torch
import torch.nn as nn
from collections import OrderedDict
from nni.nas.pytorch import mutables
from nni.nas.pytorch.classic_nas import get_and_apply_next_architecture

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        candidates = OrderedDict(op1_repr=nn.Linear(2, 2), op2_repr=nn.Tanh(), op3_repr=nn.ReLU())
        self.op = mutables.LayerChoice(candidates, key="op")
        self.inputs = mutables.InputChoice(choose_from=["in1_key", "in2_key", "in3_key"], n_chosen=1, key="inputs")

def train(model):
    print(type(model.op).__name__)

def test(model):
    return float(model.inputs([torch.tensor(1.0), torch.tensor(2.0), torch.tensor(3.0)]))
"""


def _trial():
    return _TRIAL + fixed(
        spec.TUNER_TRIAL,
        (
            "# get the chosen architecture from tuner and apply it on model\n",
            "# get the chosen architecture from tuner and apply it on model\nget_and_apply_next_architecture(model)\n",
            "the call that the comment describes is missing",
        ),
    )


def test_a_trial_by_itself_takes_the_first_candidates(run):
    assert "Linear" in run(_trial())


def test_the_search_space_that_is_generated(python, tmp_path):
    (tmp_path / "mnist.py").write_text(_trial())
    python(
        "-m",
        "retiarii",
        "ss-gen",
        "--trial_command",
        f"{sys.executable} -m retiarii run mnist.py",
        "--file",
        "space.json",
    )
    keys = iter(["op", "inputs"])
    expected = re.sub("key_name", lambda _: next(keys), spec.SEARCH_SPACE_FILE)  # the document has one name for two
    assert json.loads((tmp_path / "space.json").read_text()) == json.loads(expected)


def test_parameters_that_a_tuner_sends():
    from retiarii.classic import ParameterSpace

    keys = iter(["op", "inputs"])
    space = ParameterSpace(json.loads(re.sub("key_name", lambda _: next(keys), spec.SEARCH_SPACE_FILE)))
    keys = iter(["op", "inputs"])
    parameters = json.loads(
        re.sub("key_name", lambda _: next(keys), fixed(spec.PARAMETERS, ('"_idex"', '"_idx"', "a letter too many")))
    )
    architecture = space.architecture({"op": "op1_repr", "inputs": ["in2_key"]})
    assert space.parameters(architecture) == parameters
    assert space.architecture(parameters) == architecture


def test_each_block_is_used():
    source = Path(__file__).read_text()
    assert [name for name in BLOCKS if f"spec.{name}" not in source] == []
