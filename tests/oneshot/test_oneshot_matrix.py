"""The support matrix of primitives and strategies: every cell is tried, and `docs/oneshot.md` says what comes out.

"yes" means more than that nothing is raised: a supernet that is set to an architecture equals the standalone network,
outputs and gradients, and so does a search that is certain of it.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii.nn.pytorch import extract_space
from retiarii.nn.pytorch.primitives import Frozen, Mutable
from retiarii.oneshot import (
    DARTS,
    ENAS,
    PCDARTS,
    ChoiceOperator,
    DrNAS,
    GumbelDARTS,
    Proxyless,
    RandomOneShot,
    SearchLoop,
    SupernetError,
    choice_rule,
    subnet,
    weighted_sum,
)
from retiarii.oneshot._searches.differentiable_search import DifferentiableSearch
from retiarii.space import Categorical, Subset
from retiarii.testing.networks import assert_path_equals_subnet

STRATEGIES = {
    "RandomOneShot": RandomOneShot(),
    "ENAS": ENAS(ctrl_steps_aggregate=1),
    "DARTS": DARTS(),
    "GumbelDARTS": GumbelDARTS(),
    "Proxyless": Proxyless(),
    "DrNAS": DrNAS(),
    "PCDARTS": PCDARTS(channel_share=2),
}


def conv(size=3, channels=4):
    return nn.Conv2d(channels, channels, size, padding=size // 2)


@nn.basic_unit
class Unit(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(float(factor)))

    def forward(self, x):
        return x * self.factor


class Reads(nn.Module):
    def __init__(self, values):
        super().__init__()
        self.conv = conv()
        self.value = nn.ValueChoice(values, label="value")

    def forward(self, x):
        return self.conv(x) * (
            self.value if isinstance(self.value, torch.Tensor | float | int) else len(str(self.value + ""))
        )


class Picks(nn.Module):
    def __init__(self, *options):
        super().__init__()
        self.first, self.second = conv(), conv()
        self.pick = nn.InputChoice(2, *options, label="pick")

    def forward(self, x):
        chosen = self.pick([self.first(x), self.second(x)])
        return x if chosen is None else chosen


class PicksOfTwenty(nn.Module):
    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList([conv(1) for _ in range(20)])
        self.pick = nn.InputChoice(20, None, "mean", label="pick")

    def forward(self, x):
        return self.pick([layer(x) for layer in self.convs])


class Turns(Mutable):
    """A primitive that nobody knows: which of two layers is first."""

    def __init__(self):
        super().__init__()
        self.choice = Categorical("turns", ("ab", "ba"))
        self.a, self.b = conv(), nn.Sequential(conv(), nn.Tanh())

    def declare_choices(self, survey):
        survey.choice(self.choice)
        for name in "ab":
            survey.child(self, name)

    def freeze_by(self, freezer):
        layers = nn.Sequential()
        for name in freezer.value(self.choice):
            freezer.attach(layers, name, freezer.child(self, name))
        return Frozen(layers)

    def forward(self, x):
        return self.b(self.a(x))


class TurnsOperator(ChoiceOperator):
    def mix(self, x):
        (decision,) = self.decisions
        return weighted_sum(decision.weights, [self.b(self.a(x)), self.a(self.b(x))], self.path, self.decisions)


class Recurrent(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.conv = conv()
        self.lstm = nn.LSTM(16, **options)

    def forward(self, x):
        return self.lstm(self.conv(x).flatten(2))[0]


@nn.model_wrapper
class Rebuilt(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*[conv() for _ in range(nn.ModelParameterChoice([1, 2], label="n"))])

    def forward(self, x):
        return self.layers(x)


CERTAIN = torch.tensor(50.0)


def value(*values):
    return nn.ValueChoice(values, label="value")


ROWS = {
    "`LayerChoice`, nested too": lambda: nn.LayerChoice(
        [conv(), nn.Sequential(nn.LayerChoice([conv(), nn.Identity()], label="in")), nn.Identity()], label="op"
    ),
    "`LayerChoice`, candidates of different shapes": lambda: nn.LayerChoice([conv(), nn.Conv2d(4, 4, 3)], label="op"),
    "`InputChoice`, `n_chosen=1`": lambda: Picks(1),
    "`InputChoice`, several or any number, sum or mean": lambda: Picks(None, "mean"),
    "`InputChoice`, any number of 20, sum or mean": PicksOfTwenty,
    "`InputChoice`, several, concat": lambda: nn.Sequential(Picks(2, "concat"), nn.Conv2d(8, 4, 1)),
    "`InputChoice`, any number, concat": lambda: Picks(None, "concat"),
    "`Repeat`": lambda: nn.Repeat(lambda index: conv(), (1, 3), label="depth"),
    "`Cell`, `merge_op='all'`": lambda: nn.Cell(
        {"conv": lambda *place: conv(), "skip": lambda *place: nn.Identity()}, 2, 1, 1, label="c"
    ),
    "`Cell`, `merge_op='loose_end'`": lambda: nn.Cell(
        [conv(), nn.Identity()], 2, 1, 1, merge_op="loose_end", label="c"
    ),
    "`NasBench201Cell`": lambda: nn.NasBench201Cell(
        {"conv": lambda i, o: nn.Conv2d(i, o, 3, padding=1), "skip": lambda i, o: nn.Identity()}, 4, 4, 3, label="c"
    ),
    "`NasBench101Cell`": lambda: nn.NasBench101Cell(
        [lambda n: nn.Conv2d(n, n, 3, padding=1)], 4, 4, lambda i, o: nn.Conv2d(i, o, 1), 4, 5, label="c"
    ),
    "`AutoActivation`": lambda: nn.AutoActivation(label="act"),
    "sizes of `Linear`, convolutions, normalisations, `Embedding`": lambda: nn.Sequential(
        nn.Conv2d(4, value(4, 8), 3, padding=1), nn.BatchNorm2d(value(4, 8)), nn.Conv2d(value(4, 8), 4, 1)
    ),
    "kernel sizes with padding that keeps the size": lambda: nn.Conv2d(4, 4, value(1, 3), padding=value(1, 3) // 2),
    "strides, and kernel sizes that change the size": lambda: nn.Conv2d(4, 4, 3, stride=value(1, 2)),
    "`MultiheadAttention`, transformer layers": lambda: nn.Sequential(
        conv(), nn.Flatten(2), nn.TransformerEncoderLayer(16, value(1, 2), 8, batch_first=True, dropout=0.0)
    ),
    "`RNN`, `GRU`, `LSTM`: hidden size": lambda: Recurrent(hidden_size=value(3, 5), batch_first=True),
    "`Dropout`, pooling, activations": lambda: nn.Sequential(conv(), nn.Dropout(value(0.1, 0.5))),
    "`@basic_unit` classes (weights of their own for each set of arguments)": lambda: Unit(value(1, 2)),
    "numbers with a fraction read in `forward`": lambda: Reads([0.5, 2.0]),
    "whole numbers read in `forward` that no layer has": lambda: Reads([1, 2]),
    "strings and the like read in `forward`": lambda: Reads(["a", "bb"]),
    "`FloatRange`": lambda: nn.Sequential(conv(), nn.Dropout(nn.FloatRange(0.1, 0.5, label="p"))),
    "`ModelParameterChoice`": Rebuilt,
    "a primitive of your own, without a rule": lambda: Turns(),
    "a primitive of your own, with a rule": lambda: Turns(),
}
RULES = {"a primitive of your own, with a rule": {Turns: choice_rule(TurnsOperator)}}


def cell(row, name):
    """Return "yes" if a search runs to its end and computes what it should, "no" if it is refused with an error."""
    torch.manual_seed(0)
    batches = [torch.randn(4, 4, 4, 4, dtype=torch.float64) for _ in range(2)]
    try:
        strategy = replace(STRATEGIES[name], rules=RULES.get(row))
        search = strategy.search(nn.Sequential(conv(), ROWS[row]()).double(), seed=0)
        rate = 0.0 if row == "`AutoActivation`" else 0.01  # it divides by numbers near 0: weights would explode
        optimizer = torch.optim.SGD(search.supernet.parameters(), lr=rate)
        SearchLoop(search, lambda network, batch: network(batch).square().mean(), optimizer).run(batches, batches, 1)
        subnet(search, search.export())(batches[0])
    except SupernetError as refused:
        error = refused
    else:
        check_numbers(search, row, name, batches[0])
        return "yes"
    labels = [repr(choice.label) for choice in extract_space(ROWS[row]())]
    assert error.path or any(label in str(error) for label in labels)
    assert re.search("[Uu]se (?!it)|[Gg]ive ", str(error)), error
    return "no"


def check_numbers(search, row, name, x):
    """Compare the supernet with the standalone networks: what is set as a path, and what the strategy itself sets."""
    for architecture in architectures_of(search.supernet.space):
        assert_path_equals_subnet(search.supernet, architecture, x)
        search.supernet.eval()  # dropout is off: a mixture draws other random numbers than a path
        if isinstance(search, DifferentiableSearch):
            check_certain_search(search, architecture, row, name, x)
        else:
            search.reset()
            network = subnet(search, search.supernet.architecture)
            torch.testing.assert_close(search.supernet(x), network(x), rtol=0, atol=0)


def check_certain_search(search, architecture, row, name, x):
    """Make a search certain of an architecture: what weight and architecture steps compute is then its path."""
    if any(value == () for value in architecture.values()):
        return  # no input is None on a path, which the model takes as it likes, and counts as 0 in a mixture
    module, outputs = search.supernet.module, []

    def objective():
        outputs.append(module(x))
        return loss_of(outputs[-1])

    become_certain(search, architecture)
    search.architecture_step(objective)
    become_certain(search, architecture)
    search.reset()
    if name == "DrNAS" and any(isinstance(choice, Subset) for choice in search.supernet.space):
        mix_one_hot(search.supernet, architecture)  # its concentrations make no subset certain
        outputs.clear()
    gradients = gradients_of(module, objective())
    expected = standalone(search, architecture, row, name)(x)
    for output in outputs:
        in_place = as_in_mixture(expected, architecture, row, output)
        torch.testing.assert_close(output, in_place, rtol=1e-9, atol=1e-9)
    if name == "PCDARTS" and row in PARTIAL:
        return  # which has only a part of the gradient of a path
    search.supernet.set_architecture(architecture)
    path = gradients_of(module, loss_of(as_in_mixture(module(x), architecture, row, outputs[-1])))
    torch.testing.assert_close(gradients, path, rtol=1e-7, atol=1e-7)


def loss_of(output):
    """Return a number in which every element counts differently."""
    return (output * torch.linspace(0.5, 1.5, output.numel(), dtype=output.dtype).reshape(output.shape)).sum()


def gradients_of(module, loss):
    weights = dict(module.named_parameters())
    found = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    return {
        name: torch.zeros_like(weight) if gradient is None else gradient
        for (name, weight), gradient in zip(weights.items(), found, strict=True)
    }


def standalone(search, architecture, row, name):
    """Return the network with its weights; for PC-DARTS, with candidates that see a part of the channels."""
    network = subnet(search, architecture)
    for path in PARTIAL.get(row, ()) if name == "PCDARTS" else ():
        parent, _, child = path.rpartition(".")
        network.get_submodule(parent)._modules[child] = Part(network.get_submodule(path))
    return network


def become_certain(search, architecture):
    """Set the parameters so that every other value has next to no probability."""
    with torch.no_grad():
        for label, alpha in search.parameters.by_label.items():
            choice = search.supernet.decisions[label].choice
            chosen = architecture.get(label, choice.default())
            values = (
                list(choice.values) if isinstance(choice, Subset) else list(search.supernet.decisions[label].values)
            )
            inside = [value in chosen if isinstance(choice, Subset) else value == chosen for value in values]
            alpha.copy_(torch.where(torch.tensor(inside), CERTAIN, -CERTAIN).to(alpha))


def mix_one_hot(supernet, architecture):
    supernet.set_architecture(architecture)
    for decision in supernet.decisions.values():
        decision.be_certain(torch.device("cpu"), torch.float64)
    supernet.fill_slots()


def architectures_of(space):
    """Return a few architectures, the first and the last among them."""
    architectures = list(space.grid()) if space.size <= 64 else []
    if len(architectures) > 3:
        return [architectures[0], architectures[len(architectures) // 2], architectures[-1]]
    return architectures or [space.sample(random.Random(seed)) for seed in range(3)]


def as_in_mixture(output, architecture, row, mixture):
    """Put the nodes that a cell joins in their places among all nodes; other outputs stay as they are."""
    if "loose_end" not in row or output.shape == mixture.shape:
        return output
    taken = {value for label, value in architecture.items() if "input_" in label}
    loose = [node for node in (1, 2) if node not in taken]
    parts = dict(zip(loose, output.split(4, dim=1), strict=True))
    return torch.cat([parts.get(node, torch.zeros_like(parts[loose[0]])) for node in (1, 2)], dim=1)


# Where PC-DARTS passes a part of the channels, in the standalone network.
PARTIAL = {
    "`LayerChoice`, nested too": ["1"],
    "`Cell`, `merge_op='all'`": ["1.ops.0.0", "1.ops.1.0"],
    "`Cell`, `merge_op='loose_end'`": ["1.ops.0.0", "1.ops.1.0"],
    "`NasBench201Cell`": ["1.layers.0.0", "1.layers.1.0", "1.layers.1.1"],
    "`AutoActivation`": ["1.unaries.0", "1.unaries.1"],
}


class Part(nn.Module):
    """PC-DARTS written out: the first half of the channels passes a candidate, the other by, and all are shuffled."""

    def __init__(self, candidate):
        super().__init__()
        self.candidate = candidate[0] if isinstance(candidate, torch.nn.Sequential) else candidate

    def forward(self, x):
        half = x.shape[1] // 2
        first = x[:, :half]
        if isinstance(self.candidate, torch.nn.Conv2d):
            weight, bias = self.candidate.weight[:half, :half], self.candidate.bias[:half]
            first = F.conv2d(first, weight, bias, padding=self.candidate.padding)
        else:
            first = self.candidate(first)
        return torch.stack([first, x[:, half:]], dim=2).flatten(1, 2)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("row", ROWS)
def test_the_documented_matrix_is_what_comes_out(row):
    text = (Path(__file__).resolve().parents[2] / "docs" / "oneshot.md").read_text()
    documented = {
        line.split("|")[1].strip(): [part.strip() for part in line.split("|")[2:-1]]
        for line in text.splitlines()
        if line.startswith("| ")
    }
    assert documented["Choice"] == list(STRATEGIES)
    assert [cell(row, name) for name in STRATEGIES] == documented[row]


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("row", ROWS)
def test_what_a_search_computes_with_is_where_the_supernet_is(row):
    """The meta device stands in for a GPU: it refuses to compute with tensors of the CPU."""
    for name in ("DARTS", "GumbelDARTS", "PCDARTS"):
        try:
            strategy = replace(STRATEGIES[name], rules=RULES.get(row))
            search = strategy.search(nn.Sequential(conv(), ROWS[row]()), seed=0)
            on_meta(search)
            for learning in (False, True):
                search._apply(learning=learning)
                output = search.supernet(torch.randn(4, 4, 4, 4, device="meta"))
                assert output.device.type == "meta"
            torch.autograd.grad(output.sum(), list(search.parameters), allow_unused=True)
            network = subnet(search, search.supernet.space.sample(random.Random(0)))
            assert {tensor.device.type for tensor in (*network.parameters(), *network.buffers())} == {"meta"}
        except SupernetError:
            pass  # as the matrix says


def on_meta(search):
    """Bring a supernet and the parameters of its search to the meta device, where parameters cannot go in place."""
    search.supernet.module.to("meta")
    ours = search.parameters
    ours.by_label = {label: torch.nn.Parameter(alpha.to("meta")) for label, alpha in ours.by_label.items()}
    ours._members = {label: None if m is None else m.to("meta") for label, m in ours._members.items()}


def test_the_document_has_no_other_rows():
    text = (Path(__file__).resolve().parents[2] / "docs" / "oneshot.md").read_text()
    table = [
        line
        for line in text.splitlines()
        if line.startswith("| ") and (line.count("| yes ") + line.count("| no ")) == 7
    ]
    assert len(table) == len(ROWS)


if __name__ == "__main__":
    print("| Choice | " + " | ".join(STRATEGIES) + " |\n|---|" + "---|" * len(STRATEGIES))
    for row in ROWS:
        print(f"| {row} | " + " | ".join(cell(row, name) for name in STRATEGIES) + " |")
