"""NAS-Bench-101 as a benchmark: its space and evaluators."""

import pickle
import random
import sqlite3
from contextlib import closing

import pytest
from published_nb101 import accuracy, cell_records, random_cells, write_records

from retiarii import extract_space, freeze
from retiarii.benchmarks import simulate
from retiarii.benchmarks.nasbench101 import Nb101Table, query_nb101_trial_stats
from retiarii.benchmarks.nasbench101._nb101_cells import NUM_CELLS, arch_of_cell
from retiarii.benchmarks.nasbench101._nb101_space import (
    cell_of_architecture,
    present_space,
    values_of_cell,
    whole_space,
)
from retiarii.errors import ArchitectureError, BenchmarkError
from retiarii.evaluator import TrialContext
from retiarii.strategy import Random, RegularizedEvolution
from retiarii.trial import Fidelity, TrialState

CELLS = random_cells(40, seed=3)


@pytest.fixture
def table(tmp_path):
    """The table of 40 cells."""
    table = Nb101Table()
    table.build(write_records(tmp_path / "nasbench_full.tfrecord", cell_records(CELLS)), partial=True)
    return table


def test_the_space_is_that_of_the_ready_model():
    from retiarii.hub.pytorch import NasBench101

    model = NasBench101(stem_out_channels=8, num_stacks=1, num_modules_per_stack=1)
    space = Nb101Table().space
    assert space == extract_space(model)
    assert space.size == 150_292_054
    freeze(model, space.sample(random.Random(0)))


def test_samples_of_the_whole_space_are_cells_of_the_benchmark():
    space, rng = whole_space(), random.Random(0)
    for _ in range(50):
        cell = cell_of_architecture(space.sample(rng))
        assert cell.pruned() == cell
        assert cell.num_edges <= 9
        assert dict(space.architecture(values_of_cell(cell))) == values_of_cell(cell)


def test_a_partial_table_proposes_its_cells_only(table):
    space, rng = table.space, random.Random(0)
    assert space.size == 40
    known = {arch.key for arch in space.grid()}
    assert {space.sample(rng).key for _ in range(400)} == known
    parent = space.default()
    for _ in range(100):
        child = space.mutate(parent, rng)
        assert child.key in known - {parent.key}
        assert space.crossover(parent, child, rng).key in known
        parent = child
    assert {cell_of_architecture(architecture) for architecture in space.grid()} == {*CELLS}
    assert all(near.key in known - {parent.key} for near in space.neighbours(parent))
    assert pickle.loads(pickle.dumps(space)) == space == present_space()


def test_every_kind_of_mutation_of_a_listed_cell_happens(table):
    """A mutation of the number of vertices may change every other label, that of an operator changes nothing else."""
    space, rng = table.space, random.Random(1)
    kinds = set()
    for parent in space.grid():
        for _ in range(20):
            child = space.mutate(parent, rng)
            changed = {label for label in {*parent, *child} if parent.get(label) != child.get(label)}
            kinds.add("num_nodes" if "cell/num_nodes" in changed else "one" if len(changed) == 1 else "several")
    assert kinds == {"num_nodes", "one"}


def test_results_are_those_of_queries_with_published_fractions(table):
    evaluator = table.evaluator()
    cell = CELLS[7]
    architecture = table.space.architecture(values_of_cell(cell))
    reports = []
    context = TrialContext(on_report=reports.append)
    found = evaluator.evaluate(architecture, context)
    for epochs, told in zip((4, 12, 36, 108), [*reports, found], strict=True):
        (mean,) = query_nb101_trial_stats(arch_of_cell(cell), epochs, reduction="mean")
        for name in ("train_acc", "valid_acc", "test_acc"):
            assert told[name] == pytest.approx(mean[name] / 100, rel=1e-12)
        assert told["parameters"] == mean["parameters"]
    assert found["default"] == found["valid_acc"]
    assert evaluator.seconds(architecture, context) == [41.0, 121.0, 361.0, 1081.0]
    assert table.fidelities() == {"epochs": (4.0, 12.0, 36.0, 108.0)}
    one = table.evaluator(fidelity=12, noise="seed").evaluate(architecture, TrialContext(seed=5))
    assert one["valid_acc"] in {accuracy(7, 12, seed) for seed in range(3)}
    assert evaluator.evaluate(architecture, TrialContext(fidelity=Fidelity(epochs=4))) == reports[0]


def test_any_numbering_of_a_cell_has_its_results(table):
    rows = table.table("cifar10").row_of
    cell = next(cell for cell in CELLS if cell.inputs[:2] == (1, 1) and len(cell.inputs) > 3)
    arch = values_of_cell(cell)
    swapped = {**arch, "cell/op1": arch["cell/op2"], "cell/op2": arch["cell/op1"]}
    for vertex in range(3, arch["cell/num_nodes"]):
        sources = {1: 2, 2: 1}
        label = f"cell/input{vertex}"
        swapped[label] = tuple(sorted(sources.get(source, source) for source in arch[label]))
    space = whole_space()
    assert rows(space.architecture(swapped)) == rows(space.architecture(arch)) == CELLS.index(cell)


def test_cells_outside_the_table_and_outside_the_space_are_named(table):
    row_of = table.table("cifar10").row_of
    space = whole_space()
    pools = {f"cell/op{vertex}": "maxpool3x3" for vertex in range(1, 6)}
    absent = {"cell/num_nodes": 7, **pools, **{f"cell/input{vertex}": (vertex - 1,) for vertex in range(1, 7)}}
    with pytest.raises(BenchmarkError, match=rf"does not have the architecture .*it has 40 of {NUM_CELLS:,}"):
        row_of(space.architecture(absent))
    chain = {"cell/num_nodes": 3, "cell/op1": "maxpool3x3", "cell/input1": (0,), "cell/input2": (0,)}
    with pytest.raises(ArchitectureError, match="no vertex takes the output of vertex 1"):
        row_of(space.architecture(chain))
    with pytest.raises(ArchitectureError, match="cell/op1"):
        row_of({**chain, "cell/op1": "conv5x5"})
    with pytest.raises(ArchitectureError, match="is not one of the 40 of this space"):
        table.space.architecture(absent)


def test_damaged_arrays_are_named(table):
    with closing(sqlite3.connect(table.status().path)) as connection, connection:
        connection.execute("UPDATE arrays SET results = x'00' WHERE num_epochs = 12")
    with pytest.raises(BenchmarkError, match=r"The arrays in the table .* are damaged .*retiarii benchmarks build"):
        table.evaluator()


STRATEGIES = {"random": Random(dedup=False), "evolution": RegularizedEvolution(population_size=5, sample_size=2)}


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_partial_table_is_searched_on_the_simulated_clock(table, name):
    trials = simulate(STRATEGIES[name].search(table.space, seed=0), table.evaluator(), trials=60, workers=4)
    assert {trial.state for trial in trials} == {TrialState.COMPLETED}
    best = max(trial.metrics["default"] for trial in trials)
    means = sorted(accuracy(number, 108, 1) for number in range(40))
    assert best >= means[-5]  # random misses the five best in 60 draws of 40 with a probability of 0.03 %
