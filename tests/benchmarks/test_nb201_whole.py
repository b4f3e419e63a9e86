"""Real results of NAS-Bench-201, written in the published format, imported, and read through the query functions."""

import csv
import gzip

import pytest

from retiarii.benchmarks import TableState
from retiarii.benchmarks.nasbench201 import DATASETS, Nb201Table, query_nb201_trial_stats
from retiarii.testing.nats_bench_files import best_cells, write_nats_bench

BEST = {"cifar10": 94.3733, "cifar100": 73.5133, "imagenet16-120": 47.3111}
WITHOUT_TIME = 327


@pytest.fixture
def means(shared_data):
    return shared_data / "nb201_topology.csv.gz"


def best_by_query():
    return {
        name: max(trial["test_acc"] for trial in query_nb201_trial_stats(None, 200, name, reduction="mean"))
        for name in BEST
    }


def test_the_best_cells_of_each_dataset_and_others_are_read_as_they_were_published(means, tmp_path):
    others = {0, 1, WITHOUT_TIME, 15_624}
    assert write_nats_bench(means, tmp_path, {*best_cells(means).values(), *others}) == 7
    table = Nb201Table()
    assert table.build(tmp_path, partial=True).num_architectures == 7
    assert table.verify() == []
    assert best_by_query() == BEST
    without_time = [trial for trial in query_nb201_trial_stats(None, 12, None) if trial["training_time"] is None]
    assert [trial["config"]["dataset"] for trial in without_time] == [*DATASETS]
    assert all(trial["latency"] is None and trial["valid_acc"] > 0 for trial in without_time)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_whole_table_has_every_mean_of_the_known_one(means, tmp_path):
    write_nats_bench(means, tmp_path)
    table = Nb201Table()
    table.build(tmp_path)
    assert table.status().state is TableState.COMPLETE
    assert table.verify() == []
    assert best_by_query() == BEST == {name.rpartition(" ")[2]: value for name, value in table.best().items()}
    with gzip.open(means, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = dict(zip(DATASETS, ("cifar10", "cifar10", "cifar100", "in16"), strict=True))
    for dataset in DATASETS[1:]:
        for epochs in (12, 200):
            found = query_nb201_trial_stats(None, epochs, dataset, reduction="mean")
            expected = [float(row[f"{columns[dataset]}_test_{epochs}"]) for row in rows]
            assert sorted(trial["test_acc"] for trial in found) == sorted(expected)
