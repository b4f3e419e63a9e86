"""The support matrix of primitives and strategies: every cell is tried, and `docs/oneshot.md` says what comes out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.oneshot import (
    DARTS,
    ENAS,
    PCDARTS,
    DrNAS,
    GumbelDARTS,
    Proxyless,
    RandomOneShot,
    SearchLoop,
    SupernetError,
    subnet,
)

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
            self.value if isinstance(self.value, torch.Tensor | float) else len(str(self.value + ""))
        )


class Picks(nn.Module):
    def __init__(self, *options):
        super().__init__()
        self.first, self.second = conv(), conv()
        self.pick = nn.InputChoice(2, *options, label="pick")

    def forward(self, x):
        chosen = self.pick([self.first(x), self.second(x)])
        return x if chosen is None else chosen


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


def value(*values):
    return nn.ValueChoice(values, label="value")


ROWS = {
    "`LayerChoice`, nested too": lambda: nn.LayerChoice(
        [conv(), nn.Sequential(nn.LayerChoice([conv(), nn.Identity()], label="in")), nn.Identity()], label="op"
    ),
    "`LayerChoice`, candidates of different shapes": lambda: nn.LayerChoice([conv(), nn.Conv2d(4, 4, 3)], label="op"),
    "`InputChoice`, `n_chosen=1`": lambda: Picks(1),
    "`InputChoice`, several or any number, sum or mean": lambda: Picks(None, "mean"),
    "`InputChoice`, several, concat": lambda: nn.Sequential(Picks(2, "concat"), nn.Conv2d(8, 4, 1)),
    "`InputChoice`, any number, concat": lambda: Picks(None, "concat"),
    "`Repeat`": lambda: nn.Repeat(lambda index: conv(), (1, 3), label="depth"),
    "`Cell`, `merge_op='all'`": lambda: nn.Cell(
        {"conv": lambda *place: conv(), "skip": lambda *place: nn.Identity()}, 2, 1, 1, label="c"
    ),
    "`Cell`, `merge_op='loose_end'`": lambda: nn.Cell(
        [conv(), nn.Identity()], 2, 1, 1, merge_op="loose_end", label="c"
    ),
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
    "numbers read in `forward`": lambda: Reads([0.5, 2.0]),
    "strings and the like read in `forward`": lambda: Reads(["a", "bb"]),
    "`FloatRange`": lambda: nn.Sequential(conv(), nn.Dropout(nn.FloatRange(0.1, 0.5, label="p"))),
    "`ModelParameterChoice`": Rebuilt,
}


def cell(make, strategy):
    """Return "yes" if a search runs to its end and its subnet works, "no" if it is refused with an error of ours."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(4, 4, 4, 4, generator=generator) for _ in range(4)]
    try:
        search = strategy.search(nn.Sequential(conv(), make()), seed=0)
        optimizer = torch.optim.SGD(search.supernet.parameters(), lr=0.01)
        SearchLoop(search, lambda network, batch: network(batch).square().mean(), optimizer).run(batches, batches, 1)
        subnet(search, search.export())(batches[0])
    except SupernetError:
        return "no"
    return "yes"


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
    assert [cell(ROWS[row], strategy) for strategy in STRATEGIES.values()] == documented[row]


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
    for name, make in ROWS.items():
        print(f"| {name} | " + " | ".join(cell(make, strategy) for strategy in STRATEGIES.values()) + " |")
