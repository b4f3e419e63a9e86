"""Searches that have decided nothing say so, and which labels that concerns."""

from __future__ import annotations

import json
import logging
import math
import re

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.errors import CorruptStoreError
from retiarii.oneshot import (
    DARTS,
    ENAS,
    PCDARTS,
    DrNAS,
    GumbelDARTS,
    Proxyless,
    RandomOneShot,
    SearchLoop,
    SearchRecord,
)

LEARNING = [DARTS(), GumbelDARTS(), Proxyless(), DrNAS(), PCDARTS(), ENAS(ctrl_steps_aggregate=1)]


class Net(nn.Module):
    """A label between layers with one inside a candidate, a width, a number of inputs, and a label of one value."""

    def __init__(self):
        super().__init__()
        inner = nn.LayerChoice([nn.Linear(3, 3), nn.Tanh()], label="inner")
        self.op = nn.LayerChoice({"plain": nn.Linear(3, 3), "nested": nn.Sequential(inner)}, label="op")
        width = nn.ValueChoice([2, 4, 6], label="width")
        self.wide, self.back = nn.Linear(3, width), nn.Linear(width, 3)
        self.pick = nn.InputChoice(2, None, "mean", label="pick")
        self.only = nn.LayerChoice([nn.Linear(3, 1)], label="only")

    def forward(self, x):
        x = self.op(x)
        picked = self.pick([x, self.back(self.wide(x))])
        return self.only(x if picked is None else picked)


def searched(strategy, model=None):
    torch.manual_seed(0)
    search = strategy.search(Net() if model is None else model, seed=0)
    batches = list(torch.randn(2, 4, 3))
    optimizer = torch.optim.SGD(search.supernet.parameters(), lr=0.01)
    loop = SearchLoop(search, lambda network, x: network(x).square().mean(), optimizer)
    return search, loop.run(batches, batches, 1)[-1]


@pytest.mark.parametrize("strategy", LEARNING, ids=repr)
def test_a_search_that_was_too_short_says_which_labels_are_open(strategy, caplog):
    search, record = searched(strategy)
    architecture = search.export()
    expected = {"op", "width", "pick", *({"inner"} & set(architecture))}
    assert set(record.undecided) & set(architecture) == expected
    (warning,) = [entry for entry in caplog.records if entry.levelno == logging.WARNING]
    text = warning.getMessage()
    assert f"has not decided {len(expected)} of the {len(expected)} labels" in text
    assert all(f"{label!r} (" in text for label in expected)
    assert re.search(r"'width' \(1\.09\d* of 1\.099\)", text)
    assert "Train longer" in text
    assert "'only'" not in text


def test_the_warning_comes_once(caplog):
    search, _ = searched(DARTS())
    search.warn_if_undecided()
    assert len(caplog.records) == 1


def test_entropies_stand_beside_their_maximum():
    _, record = searched(DARTS())
    sizes = {"op": 2, "inner": 2, "width": 3, "pick": 4, "only": 1}
    assert record.max_entropy == pytest.approx({label: math.log(size) for label, size in sizes.items()})
    assert record.mean_max_entropy == pytest.approx(math.log(2 * 2 * 3 * 4) / 5)
    assert record.mean_entropy == pytest.approx(record.mean_max_entropy, rel=1e-3)
    assert record.scalars()["search/max_entropy"] == record.mean_max_entropy
    data = json.loads(json.dumps(record.to_json()))
    assert data["undecided"] == list(record.undecided)
    assert SearchRecord.from_json(data) == record


def test_labels_that_were_decided_on_are_not_named(caplog):
    search, _ = searched(DARTS())
    caplog.clear()
    search._is_said = False
    with torch.no_grad():
        search.parameters.by_label["op"].copy_(torch.tensor([1.0, 0.0]))
        search.parameters.by_label["width"].copy_(torch.tensor([0.0, 1.0, 0.0]))
    search.warn_if_undecided()
    text = caplog.text
    assert "has not decided 1 of the 3 labels" in text  # those inside of a candidate that was not chosen do not count
    assert "'pick'" in text
    with torch.no_grad():
        search.parameters.by_label["pick"].copy_(torch.tensor([1.0, -1.0]))
    caplog.clear()
    search._is_said = False
    search.warn_if_undecided()
    assert not caplog.records


def test_a_strategy_that_learns_no_probabilities_has_nothing_to_decide(caplog):
    model = nn.Sequential(Net(), nn.Dropout(nn.FloatRange(0.1, 0.5, label="p")))
    search, record = searched(RandomOneShot(), model)
    assert not record.is_learnt
    assert record.undecided == ()
    assert "p" not in record.entropy
    assert not SearchRecord.from_json(record.to_json()).is_learnt
    search.warn_if_undecided()
    assert not caplog.records


def test_ranges_of_integers_are_open_like_any_other_label(caplog):
    model = nn.Sequential(nn.Linear(3, nn.IntegerRange(2, 6, label="n")), nn.ReLU())
    search, record = searched(DARTS(), model)
    assert record.max_entropy == pytest.approx({"n": math.log(len(search.supernet.decisions["n"].values))})
    assert record.undecided == ("n",)
    assert "'n' (1." in caplog.text
    assert "has not decided the only label of its architecture" in caplog.text


def test_many_open_labels_are_counted_not_all_listed(caplog):
    model = nn.Sequential(*[nn.LayerChoice([nn.Linear(3, 3), nn.Tanh()], label=f"op{number}") for number in range(12)])
    searched(DARTS(), model)
    assert "has not decided 12 of the 12 labels" in caplog.text
    assert "'op7' (" in caplog.text
    assert "and 4 more" in caplog.text


@pytest.mark.parametrize("name", ["epoch", "probabilities", "entropy", "temperature", "sampled"])
def test_records_that_are_damaged_are_called_so(name):
    data = searched(DARTS())[1].to_json()
    for value in ("text", [1], {"op": 1}, {"op": {"{": 0.5}}):
        with pytest.raises(CorruptStoreError, match="record of an epoch of a one-shot search cannot be read"):
            SearchRecord.from_json({**data, name: value})
    with pytest.raises(CorruptStoreError):
        SearchRecord.from_json({key: value for key, value in data.items() if key != name})
