import re

import pytest

from retiarii.benchmarks import TabularBenchmark

EVOLUTION = "RegularizedEvolution(population_size=4, sample_size=2)"


@pytest.fixture(autouse=True)
def grid(monkeypatch):
    rows = [{"a": a, "b": b, "acc": a * 8.0 + b, "test": 60.0 + a + b} for a in range(8) for b in range(8)]
    benchmark = TabularBenchmark(rows, choices=["a", "b"], metrics=["acc", "test"], seconds=10, name="grid")
    monkeypatch.setattr("retiarii.benchmarks.get_benchmark", {"grid": benchmark}.__getitem__)


def compared(run, *options):
    strategies = ("--strategy", "Random", "--strategy", EVOLUTION)
    return run("benchmarks", "compare", "grid", *strategies, "--seeds", "4", "--processes", "1", *options)


def test_strategies_are_compared_and_drawn(run, tmp_path):
    outcome = compared(run, "--seconds", "200", "--score", "test", "--plot", str(tmp_path / "regret.svg"))
    assert outcome.code == 0
    head, first, second = outcome.out.splitlines()
    assert head.split()[:4] == ["strategy", "searches", "mean", "test"]
    assert first.split()[:2] == ["Random", "4"]
    assert second.startswith(f"{EVOLUTION}         4")
    assert (tmp_path / "regret.svg").stat().st_size > 1000
    markdown = compared(run, "--seconds", "200", "--score", "test", "--markdown").out
    assert markdown.splitlines()[1] == "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"


def test_a_saved_comparison_is_the_same_when_it_is_continued(run, tmp_path):
    options = ("--trials", "64", "--workers", "3", "--save", str(tmp_path / "saved.jsonl"), "--json")
    first = compared(run, *options).json
    assert first["standings"][0]["mean"] == first["optimum"] == 63
    assert compared(run, *options).json == first


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("Randm", "'Randm' is unknown, expected one of .*Did you mean 'Random'"),
        ("DARTS", "'DARTS' is unknown"),
        ("Random(dedup=open('x'))", "expected a name with arguments"),
        ("Random(True)", "expected a name with arguments"),
        ("Random(", "expected a name with arguments"),
        ("Random(colour=3)", "cannot be made .*colour"),
    ],
)
def test_strategies_that_are_none_are_named(run, strategy, message):
    outcome = run("benchmarks", "compare", "grid", "--strategy", strategy, "--trials", "3")
    assert outcome.code == 1
    assert re.search(message, " ".join(outcome.err.split()))


def test_a_comparison_needs_a_limit(run):
    outcome = compared(run)
    assert (outcome.code, "needs a limit" in outcome.err) == (1, True)
