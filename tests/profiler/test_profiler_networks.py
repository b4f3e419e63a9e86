"""Profiles of networks and spaces, latency, and profilers as constraints, filters and penalties."""

import json
import random

import pytest
import torch
from torch import nn as torch_nn

import retiarii.nn.pytorch as nn
from retiarii import at_most
from retiarii.errors import ConfigError
from retiarii.nn.pytorch import extract_space, freeze
from retiarii.oneshot import DARTS, CostLimit, RandomOneShot, SearchLoop
from retiarii.profiler import (
    ActivationProfiler,
    CostRange,
    ExpectationProfilerPenalty,
    FlopsProfiler,
    Latency,
    LatencyProfiler,
    LatencyTable,
    ModuleProfile,
    NetworkProfile,
    ParamsProfiler,
    Profiler,
    RangeProfilerFilter,
    SpaceProfile,
    TableError,
    measure_latency,
    profile,
    profile_space,
)

EXAMPLE = torch.zeros(2, 4)


def space():
    width = nn.ValueChoice([8, 16, 32], label="width")
    layers = {"deep": nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)), "skip": nn.Identity()}
    return nn.Sequential(nn.Linear(4, width), nn.LayerChoice(layers, label="layer"), nn.Linear(width, 3))


def params_of(width, layer):
    return 4 * width + width + (2 * (width * width + width) if layer == "deep" else 0) + 3 * width + 3


def flops_of(width, layer):
    return 2 * 2 * (4 * width + (2 * width * width if layer == "deep" else 0) + 3 * width)


def test_a_network_has_a_row_for_each_module():
    network = torch_nn.Sequential(torch_nn.Linear(4, 8), torch_nn.ReLU(), torch_nn.Linear(8, 3))
    found = profile(network, EXAMPLE)
    assert isinstance(found, NetworkProfile)
    assert found.modules == (
        ModuleProfile("", "Sequential", (2, 3), 0, 0.0, 0),
        ModuleProfile("0", "Linear", (2, 8), 40, 2.0 * 2 * 32, 0),
        ModuleProfile("1", "ReLU", (2, 8), 0, 0.0, 2 * 8 * 4),
        ModuleProfile("2", "Linear", (2, 3), 27, 2.0 * 2 * 24, 0),
    )
    assert (found.params, found.flops, found.activation_bytes) == (67, 224.0, 64)
    assert found.inference_bytes == 2 * 2 * 8 * 4
    assert found.training_bytes >= 4 * 67 * 4
    assert found.latency is None
    assert json.loads(json.dumps(found.to_json()))["modules"][1]["params"] == 40


def test_rules_join_a_profile():
    network = torch_nn.Sequential(torch_nn.Linear(4, 8), torch_nn.ReLU())
    assert (
        profile(network, EXAMPLE, rules={torch_nn.ReLU: lambda module, args, out: out.numel()}).flops == 2 * 2 * 32 + 16
    )


def test_a_latency_says_how_it_was_measured():
    found = profile(torch_nn.Linear(4, 4), EXAMPLE, latency=True).latency
    assert isinstance(found, Latency)
    assert 0 < found.min_ms <= found.median_ms
    assert found.iqr_ms >= 0
    assert found.runs >= 10
    assert (found.device, found.batch_size, found.threads) == ("cpu", 2, torch.get_num_threads())
    assert "ms (IQR" in str(found)


def test_a_latency_that_varies_is_measured_until_the_time_is_up():
    found = measure_latency(torch_nn.Linear(4, 4), EXAMPLE, tolerance=1e-9, max_seconds=0.05)
    assert not found.is_stable
    assert str(found).endswith("not stable)")
    steady = measure_latency(torch_nn.Linear(4, 4), EXAMPLE, tolerance=1e9, min_runs=12)
    assert steady.is_stable
    assert steady.runs == 12
    with pytest.raises(ConfigError, match="min_runs=1"):
        measure_latency(torch_nn.Linear(4, 4), EXAMPLE, min_runs=1)


def test_the_range_of_a_space():
    found = profile_space(space(), EXAMPLE, samples=60, latency=True)
    assert isinstance(found, SpaceProfile)
    assert (found.labels, found.size, found.size_text) == (2, 6, "2 labels, 6 architectures")
    params = found.costs["params"]
    assert isinstance(params, CostRange)
    assert (params.smallest, params.largest, params.samples, params.built) == (
        params_of(8, "skip"),
        params_of(32, "deep"),
        60,
        6,
    )
    assert found.costs["flops"].largest == flops_of(32, "deep")
    assert set(found.costs) == {
        "params", "flops", "activation_bytes", "inference_bytes", "training_bytes", "latency_ms"
    }  # fmt: skip
    assert json.loads(json.dumps(found.to_json()))["size"] == 6
    assert set(profile_space(space(), samples=5).costs) == {"params"}


@pytest.mark.parametrize(("make", "expected"), [(ParamsProfiler, params_of), (FlopsProfiler, flops_of)])
def test_profilers_are_functions_of_an_architecture(make, expected):
    model = space()
    profiler = make(model, EXAMPLE)
    assert isinstance(profiler, Profiler)
    for architecture in extract_space(model).grid():
        assert profiler(architecture) == profiler.profile(dict(architecture)) == expected(**architecture)
    bound = at_most(profiler, expected(16, "deep"))
    allowed = {(a["width"], a["layer"]) for a in extract_space(model).constrained(bound).grid()}
    assert allowed == {(8, "deep"), (8, "skip"), (16, "deep"), (16, "skip"), (32, "skip")}
    assert profiler.report().num_built == 6
    assert profiler.learn(10).name == profiler.__name__


def test_saved_activations_of_architectures():
    profiler = ActivationProfiler(space(), EXAMPLE)
    assert profiler({"width": 8, "layer": "deep"}) == 3 * 2 * 8 * 4  # of the first two layers and ReLU
    assert profiler({"width": 8, "layer": "skip"}) == 2 * 8 * 4


def test_a_filter_has_bounds_on_both_sides():
    profiler = ParamsProfiler(space())
    keeps = RangeProfilerFilter(profiler, min=params_of(8, "deep"), max=params_of(16, "deep"))
    kept = {(a["width"], a["layer"]) for a in extract_space(space()).grid() if keeps(a)}
    assert kept == {(8, "deep"), (16, "deep"), (32, "skip")}
    assert keeps.filter({"width": 8, "layer": "skip"}) is False
    with pytest.raises(ConfigError, match="at least one bound"):
        RangeProfilerFilter(profiler)


def test_profilers_guide_one_shot_strategies():
    profiler = FlopsProfiler(space(), EXAMPLE)
    penalty = ExpectationProfilerPenalty(profiler, baseline=flops_of(8, "skip"), scale=10.0)
    search = DARTS(penalty=penalty, arc_learning_rate=0.3).search(space(), seed=0)
    loop = SearchLoop(
        search, lambda model, batch: model(batch).square().mean(), torch.optim.SGD(search.supernet.parameters(), lr=0.0)
    )
    for _ in range(15):
        loop.step(torch.randn(2, 4), torch.randn(2, 4))
    assert dict(search.export()) == {"width": 8, "layer": "skip"}
    with pytest.raises(ConfigError, match="penalties are added"):
        ExpectationProfilerPenalty(profiler, 1.0, aggregate="mul")
    limited = RandomOneShot(filter=CostLimit(profiler, at_most=flops_of(8, "deep"))).search(space(), seed=0)
    assert limited.supernet is not None


# Latency tables.


def table_of(model, networks=6):
    return LatencyTable.measure(model, EXAMPLE, networks=networks, max_seconds=0.01)


def test_a_table_adds_up_its_blocks(tmp_path):
    model = space()
    table = table_of(model)
    assert isinstance(table.error, TableError)
    assert table.error.networks == 3
    assert "on 3 networks" in str(table.error)
    path = tmp_path / "table.json"
    table.save(path)
    again = LatencyTable.load(path)
    assert again == table
    profiler = again.profiler(model, EXAMPLE)
    assert isinstance(profiler, LatencyProfiler)
    for architecture in extract_space(model).grid():
        blocks = again.blocks_of(freeze(model, architecture), EXAMPLE)
        assert profiler(architecture) == pytest.approx(again.scale * sum(blocks.values()) + again.rest_ms)
        assert len(blocks) == (5 if architecture["layer"] == "deep" else 3)


def test_equal_blocks_are_measured_once():
    table = table_of(space())
    network = torch_nn.Sequential(*[torch_nn.Linear(4, 4) for _ in range(3)])
    before = len(table.blocks)
    assert len(table.blocks_of(network, EXAMPLE)) == 3
    assert len(table.blocks) == before + 1
    assert len(set(table.blocks_of(network, EXAMPLE).values())) == 1
    assert "Linear(in_features=4, out_features=4, bias=True)" in list(table.descriptions.values())[-1]


def test_the_sum_of_a_table_is_that_of_its_numbers():
    model = space()
    table = table_of(model)
    table.blocks = dict.fromkeys(table.blocks, 2.0)
    table.scale, table.rest_ms = 1.5, 0.25
    seen = extract_space(model).sample(random.Random(0))  # the first that was measured
    count = 5 if seen["layer"] == "deep" else 3
    assert table.profiler(model, EXAMPLE)(seen) == count * 2.0 * 1.5 + 0.25


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "is no latency table"),
        ('{"format": "other"}', "is no latency table"),
        ('{"format": "retiarii latency table 1", "device": "cpu"}', "is damaged"),
    ],
)
def test_files_that_are_no_tables_are_refused(tmp_path, content, message):
    path = tmp_path / "table.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        LatencyTable.load(path)


def test_a_table_is_for_one_shape_of_input():
    table = table_of(space())
    with pytest.raises(ConfigError, match="Measure another table"):
        table.profiler(space(), torch.zeros(3, 4))
    with pytest.raises(ConfigError, match="at least 6"):
        table_of(space(), networks=5)
