"""Every code block of documents 1 and 5 of the specification that uses NNI, run by ``retiarii run``.

The blocks are word for word, but for data paths, epochs and the slips that `fixed` lists with their reasons.
"""

import sys
from pathlib import Path

import pytest
import spec_blocks as spec
from spec_reading import blocks_of, fixed, in_class, stands_in, statements

BLOCKS = blocks_of(spec)


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_are_word_for_word(name):
    assert stands_in(BLOCKS[name], 1, 5)


_MODEL_NAMES = """
import torch
import nni.retiarii.nn.pytorch as nn
from nni.retiarii import basic_unit
from retiarii import extract_space, freeze
from types import SimpleNamespace

class Unit(nn.Module):
    def __init__(self, *arguments):
        super().__init__()
        self.arguments = arguments
    def forward(self, x):
        return x

ops = SimpleNamespace(PoolBN=basic_unit(type("PoolBN", (Unit,), {})), SepConv=basic_unit(type("SepConv", (Unit,), {})))
MyOp = basic_unit(type("MyOp", (Unit,), {}))
channels, stride, XX = 16, 1, 8
"""


def test_models_and_their_mutations(run):
    base_model = fixed(
        spec.BASE_MODEL,
        ("    self.const = const", "    super().__init__()\n    self.const = const", "super().__init__() is missing"),
    )
    layer, layer_forward = fixed(spec.LAYER_CHOICE, ("]))", "])", "one bracket too many")).split(
        "# invoked in `forward` method\n"
    )
    inputs, inputs_forward = spec.INPUT_CHOICE.split("# invoked in `forward` method, choose one from the three\n")
    values = fixed(spec.VALUE_CHOICE, ("[1, 3, 5])", "[1, 3, 5]))", "a bracket is missing"))
    shared = fixed(
        spec.SHARED_LABEL,
        (
            "nn.Linear(10, nn.ValueChoice([32, 64, 128], label='hidden_dim'),",
            "nn.Linear(10, nn.ValueChoice([32, 64, 128], label='hidden_dim')),",
            "a bracket is missing",
        ),
    )
    printed = run(
        "from nni.retiarii import basic_unit  # the document does not say where it comes from",
        base_model,
        _MODEL_NAMES,
        "class Mutated(nn.Module):\n    def __init__(self):\n        super().__init__()",
        *map(in_class, (layer, inputs, values, shared)),
        "    def forward(self, x):",
        in_class(layer_forward),
        "        tensor1, tensor2, tensor3 = out, out + 1, out + 2",
        in_class(inputs_forward),
        "        return out",
        "print(Model()(torch.zeros(1, 32, 8, 8)).shape)",
        "net = Mutated()",
        "net(torch.zeros(2, 10))",  # so that the InputChoice knows how many inputs it has
        "space = extract_space(net)",
        "print(len(space), int(space.size))",
        "arch = {**space.default(), 'hidden_dim': 128}",
        "print([tuple(layer.weight.shape) for layer in freeze(net, arch).net])",
    )
    assert printed.splitlines() == ["torch.Size([1, 1, 2, 2])", f"6 {3 * 3 * 3 * 2 * 2 * 3}", "[(128, 10), (3, 128)]"]


_TORCHVISION = """
import numpy as np
import torch
from torch.utils.data import Dataset

class MNIST(Dataset):
    def __init__(self, root, train, download, transform):
        draws = np.random.default_rng(int(train))
        self.images, self.labels = draws.random((200, 28, 28), dtype=np.float32), draws.integers(10, size=200)
        self.transform = transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(self.images[index]), int(self.labels[index])
"""

_TRANSFORMS = """
import torch

class Compose:
    def __init__(self, transforms):
        self.transforms = transforms
    def __call__(self, x):
        for transform in self.transforms:
            x = transform(x)
        return x

class ToTensor:
    def __call__(self, image):
        return torch.from_numpy(image)[None]

class Normalize:
    def __init__(self, mean, std):
        self.mean, self.std = mean[0], std[0]
    def __call__(self, x):
        return (x - self.mean) / self.std
"""

_NET = """
import nni
import nni.retiarii
import nni.retiarii.nn.pytorch as nn
import nni.retiarii.strategy as strategy
from nni.retiarii import fixed_arch, model_wrapper, basic_unit
from nni.retiarii.evaluator import FunctionalEvaluator
from nni.retiarii.experiment.pytorch import RetiariiExeConfig, RetiariiExperiment, debug_mutated_model

@model_wrapper
class Net(nn.Module):
    def __init__(self, *sizes):
        super().__init__()
        self.flatten = nn.Flatten()
        two = nn.Sequential(nn.Linear(784, 8), nn.ReLU(), nn.Linear(8, 16))
        self.hidden = nn.LayerChoice([nn.Linear(784, 16), two])
        self.width = nn.Linear(16, nn.ValueChoice([4, 8, 16, 32, 64], label="width"))
        self.head = nn.Linear(nn.ValueChoice([4, 8, 16, 32, 64], label="width"), 10)

    def forward(self, x):
        return self.head(self.width(self.hidden(self.flatten(x))))
"""


@pytest.fixture
def torchvision(tmp_path):
    """A small stand-in for torchvision, of which there is no build for every torch, beside the script."""
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("")
    (tmp_path / "torchvision" / "models.py").write_text("def __getattr__(name): return object\n")  # for torchmetrics
    (tmp_path / "torchvision" / "datasets.py").write_text(_TORCHVISION)
    (tmp_path / "torchvision" / "transforms.py").write_text(_TRANSFORMS)


def evaluator_block():
    return fixed(spec.EVALUATOR, ("max_epochs=10", "max_epochs=1, enable_progress_bar=False", "epochs"))


@pytest.mark.timeout(240)
def test_an_experiment_of_the_overview(run, torchvision):
    printed = run(
        _NET,
        "from torchvision.datasets import MNIST  # the document does not say where it comes from",
        spec.STRATEGY,
        evaluator_block(),
        "base_model, trainer, simple_strategy, applied_mutators = Net(), evaluator, search_strategy, []",
        "print(type(evaluator._execute(Net)).__name__)",
        "debug_mutated_model(base_model, trainer, applied_mutators)",
        spec.EXPERIMENT,
        "print(len(exp.trials()), exp.config.experiment_name, len(exp.export_top_models(top_k=3)))",
    )
    assert printed.splitlines()[-1] == "10 mnasnet_search 3"


@pytest.mark.timeout(240)
def test_experiments_of_the_reference(run, torchvision, tmp_path):
    top_models = fixed(statements(spec.TOP_MODELS), ("nni.retarii", "nni.retiarii", "a letter is missing"))
    (tmp_path / "export.json").write_text('{"model_1": 1, "width": 4}')
    printed = run(
        _NET,
        "def evaluate_model(model_cls):",
        "    nni.report_final_result(float(sum(weight.numel() for weight in model_cls().parameters())))",
        statements(spec.MULTI_TRIAL),
        top_models,
        "print(type(final_model.hidden).__name__, final_model.head.in_features, len(exp.trials()))",
        "from torchvision.datasets import MNIST",
        evaluator_block(),
        "train_loader = valid_loader = pl.DataLoader(train_dataset, batch_size=100)",
        fixed(
            statements(spec.ONE_SHOT),
            ("val_dataloaders=valid_loader", "val_dataloaders=valid_loader, max_epochs=1", "epochs"),
        ),
        top_models,
        "Model = Net",
        fixed(spec.FIXED_ARCH, ("/path/to/export.json", "export.json", "a data path")),
        "print(type(model.hidden).__name__, model.head.in_features)",
        spec.BASIC_UNIT,
        spec.MODEL_WRAPPER,
        "from nni.retiarii.utils import ContextStack, ModelNamespace, NoContextError, original_state_dict_hooks",
        "from nni.retiarii.nn.pytorch.mutation_utils import Mutable",
        "state_dict_from_supernet = Net().state_dict()",
        spec.STATE_DICT_FROM_SUPERNET,
        "print(bool((model.hidden[0].weight == state_dict_from_supernet['hidden.1.0.weight']).all()))",
        spec.STATE_DICT_FOR_SUPERNET,
        "print(sorted(supernet_style_state_dict)[-2:], PrimitiveOp(), MyModel(), isinstance(Net().hidden, Mutable))",
    )
    lines = printed.splitlines()
    assert lines[1] == "Linear 64 10"
    assert "Sequential 4" in lines
    assert lines[-2] == "True"
    assert lines[-1] == "['width.bias', 'width.weight'] PrimitiveOp() MyModel() True"


def test_each_block_is_used():
    source = Path(__file__).read_text()
    assert [name for name in BLOCKS if f"spec.{name}" not in source] == []
    assert sys.modules["spec_blocks"] is spec
