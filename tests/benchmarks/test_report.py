import itertools
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest

from retiarii.benchmarks import TabularBenchmark
from retiarii.benchmarks.report import Comparison, SimulatedSearch, Standing, compare, plot_regret
from retiarii.errors import BenchmarkError, ConfigError
from retiarii.oneshot import DARTS
from retiarii.strategy import ASHA, Random, RegularizedEvolution, Strategy
from retiarii.testing.tables import Table

OPERATORS = ("conv", "pool", "skip", "none")
STRATEGIES = {"random": Random(), "evolution": RegularizedEvolution(population_size=5, sample_size=3)}


def results():
    """256 architectures: the signal is the score with noise, the times differ."""
    draw, rows = random.Random(0), []
    for ops in itertools.product(OPERATORS, repeat=4):
        score = 50 + 10 * ops.count("conv") + 3 * ops.count("skip") + draw.random()
        cells = dict(zip("abcd", ops, strict=True))
        rows.append({**cells, "signal": score + draw.gauss(0, 2), "score": score, "time": 10 + draw.random()})
    return rows


@pytest.fixture(scope="module")
def evaluator():
    benchmark = TabularBenchmark(
        results(), choices=list("abcd"), metrics=["signal", "score"], seconds="time", name="grid"
    )
    return benchmark.evaluator()


@pytest.fixture(scope="module")
def compared(evaluator):
    return compare(STRATEGIES, evaluator, score="score", seconds=400, seeds=12, processes=1)


def test_a_comparison_has_a_record_of_each_search_and_statistics_over_them(compared):
    assert [(search.strategy, search.seed) for search in compared.searches] == [
        (name, seed) for name in STRATEGIES for seed in range(12)
    ]
    for search in compared.searches:
        assert 35 < search.num_trials < 40  # of 10 to 11 seconds each
        assert search.trials[0] == 1
        assert list(search.seconds) == sorted(search.seconds)
        assert search.seconds[-1] <= 400
        assert all(
            10 * count <= spent <= 11 * count for spent, count in zip(search.seconds, search.trials, strict=True)
        )
    rows = compared.standings()
    assert [type(row) for row in rows] == [Standing, Standing]
    for row in rows:
        last = [search.scores[-1] for search in compared.searches if search.strategy == row.strategy]
        mean = sum(last) / 12
        assert (row.num_searches, row.spent, row.mean) == (12, 400, pytest.approx(mean))
        deviation = math.sqrt(sum((value - mean) ** 2 for value in last) / 11)
        assert row.standard_error == pytest.approx(deviation / math.sqrt(12))
        assert min(last) <= row.lower_quartile <= row.median <= row.upper_quartile <= max(last)
        assert row.regret == pytest.approx(max(result["score"] for result in results()) - mean)


def test_regret_is_never_negative_and_falls_when_the_score_is_the_signal(evaluator, compared):
    budgets = [5, 12, 40, 100, 200, 400]
    for name in STRATEGIES:
        curve = compared.curve(name, budgets)
        assert [row.spent for row in curve] == budgets[1:]  # nothing ends within 5 seconds
        assert all(row.regret >= 0 for row in curve)
    comparison = compare(STRATEGIES, evaluator, trials=256, seeds=3, processes=1)
    for name in STRATEGIES:
        regret = [row.regret for row in comparison.curve(name, range(1, 257), axis="trials")]
        assert regret == sorted(regret, reverse=True)
    assert comparison.standings()[0].regret == 0  # all 256 of 256 different ones


@pytest.mark.parametrize("count", [1, 30])
def test_the_mean_of_random_search_is_the_exact_expectation(evaluator, count):
    """Fails with a probability of 1 in 15,000 for other seeds; these are fixed."""
    table = Table({tuple(row[label] for label in "abcd"): row["signal"] for row in results()})
    (row,) = compare({"random": Random()}, evaluator, trials=count, seeds=150, processes=1).standings()
    assert abs(row.mean - table.expected_best_of_random(count)) < 4 * row.standard_error


def test_a_comparison_is_shown_without_its_searches(compared):
    assert repr(compared).startswith("Comparison(benchmark='grid', dataset='default', metric='signal', score='score'")
    assert "SimulatedSearch" not in repr(compared)


def test_processes_and_the_order_of_seeds_change_nothing(evaluator, compared):
    parallel = compare(STRATEGIES, evaluator, score="score", seconds=400, seeds=reversed(range(12)), processes=3)
    assert parallel == compared


@pytest.mark.slow
def test_new_processes_give_the_same_where_there_are_no_forks(evaluator, compared, monkeypatch):
    monkeypatch.setattr("retiarii.benchmarks.report._parallel_searches.START_METHOD", "spawn")
    assert compare(STRATEGIES, evaluator, score="score", seconds=400, seeds=12, processes=2) == compared


def test_smaller_can_be_better(evaluator):
    rows = compare(STRATEGIES, evaluator, score="score", trials=60, seeds=5, direction="minimize", processes=1)
    assert rows.optimum == min(result["score"] for result in results())
    assert all(0 <= row.regret < 15 for row in rows.standings())


def test_workers_share_the_simulated_time(evaluator):
    comparison = compare({"random": Random()}, evaluator, seconds=100, workers=8, seeds=2, processes=1)
    assert all(70 < search.num_trials <= 80 for search in comparison.searches)


def test_a_saved_comparison_is_continued_and_read(evaluator, compared, tmp_path):
    path, seen = tmp_path / "new" / "searches.jsonl", []

    def interrupt(done, total):
        if done == 5:
            raise KeyboardInterrupt

    settings = {"score": "score", "seconds": 400, "processes": 1}
    with pytest.raises(KeyboardInterrupt):
        compare(STRATEGIES, evaluator, **settings, seeds=12, save=path, on_progress=interrupt)
    assert len(Comparison.load(path).searches) == 5
    text = path.read_text()
    path.write_text(text[:-20])  # as a full disk or a power failure leaves it
    assert len(Comparison.load(path).searches) == 4
    found = compare(STRATEGIES, evaluator, **settings, seeds=12, save=path, on_progress=lambda *now: seen.append(now))
    assert seen == [(done, 24) for done in range(5, 25)]
    assert found == compared == Comparison.load(path)
    fewer = compare(STRATEGIES, evaluator, **settings, seeds=2, save=path)
    assert len(fewer.searches) == 4
    with pytest.raises(ConfigError, match=r"has seconds 400, this one has 300.*Save to another file"):
        compare(STRATEGIES, evaluator, score="score", seconds=300, save=path)
    with pytest.raises(ConfigError, match=r"has evaluator .*cost='measured'.*this one has .*cost=60"):
        compare(STRATEGIES, evaluator.benchmark.evaluator(cost=60), **settings, save=path)
    path.write_text("something else")
    with pytest.raises(ConfigError, match="is not a comparison that"):
        Comparison.load(path)


@pytest.fixture
def by_hand():
    searches = [
        SimulatedSearch("a|b", 0, 9, (10.0, 20.0), (1, 2), (90.0, 92.0)),
        SimulatedSearch("a|b", 1, 9, (15,), (1,), (94,)),
    ]
    names = {"a|b": "Random()"}
    return Comparison("grid", "default", "signal", "acc", "maximize", 95.0, 40, None, 1, names, tuple(searches))


def test_tables_are_text_markdown_and_json(by_hand):
    assert by_hand.table() == (
        "strategy  searches  mean acc  standard error  median         quartiles  regret\n"
        "a|b              2    93.000           1.000  93.000  92.500 to 93.500   2.000"
    )
    assert by_hand.table("markdown", seconds=12).splitlines() == [
        "| strategy | searches | mean acc | standard error | median | quartiles | regret |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        r"| a\|b | 1 | 90.000 | - | 90.000 | 90.000 to 90.000 | 5.000 |",
    ]
    found = json.loads(json.dumps(by_hand.to_json()))
    assert (found["optimum"], found["seconds"], found["strategies"]) == (95.0, 40, {"a|b": "Random()"})
    assert found["standings"][0]["mean"] == 93
    assert [row.mean for row in by_hand.standings(trials=1)] == [92.0]


def test_fractions_have_more_digits(by_hand):
    searches = (SimulatedSearch("a|b", 0, 9, (10.0,), (1,), (0.931254,)),)
    table = replace(by_hand, optimum=0.95, searches=searches).table()
    assert table.splitlines()[1].split() == "a|b 1 0.93125 - 0.93125 0.93125 to 0.93125 0.01875".split()


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda c: c.standings(seconds=41), "seconds is 41, expected a number up to the limit of the searches, 40"),
        (lambda c: c.standings(seconds=1, trials=1), "Both seconds and trials"),
        (lambda c: c.standings(seconds=5), "'a|b' has no incumbent after 5 seconds"),
        (lambda c: c.curve("a", [1]), "strategy is 'a', expected one of"),
        (lambda c: c.curve("a|b", [1], axis="epochs"), "axis is 'epochs'"),
        (lambda c: c.table("html"), "style is 'html', expected 'text' or 'markdown'"),
    ],
)
def test_impossible_questions_are_named(by_hand, act, message):
    with pytest.raises(ConfigError, match=message.replace("|", r"\|")):
        act(by_hand)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seconds": None}, "needs a limit"),
        ({"seconds": 0}, "expected numbers above 0"),
        ({"seconds": "24h"}, "expected numbers above 0"),
        ({"seeds": 0}, "seeds is 0"),
        ({"seeds": [0.5]}, r"seeds is \[0.5\], expected how many, or whole numbers"),
        ({"strategies": Random()}, "expected a dict"),
        ({"evaluator": "nasbench201"}, "evaluator is 'nasbench201', expected what"),
        ({"strategies": {"darts": DARTS()}}, "'darts' is .*expected a multi-trial strategy"),
    ],
)
def test_impossible_comparisons_are_named(evaluator, change, message):
    arguments = {"strategies": STRATEGIES, "evaluator": evaluator, "seconds": 100, "seeds": 2, **change}
    with pytest.raises(ConfigError, match=message):
        compare(**arguments)


def test_an_incumbent_without_a_score_is_named():
    rows = [{"op": op, "acc": float(op), "test": None if op == 8 else 50.0} for op in range(9)]
    benchmark = TabularBenchmark(rows, choices=["op"], metrics=["acc", "test"], seconds=1, name="gaps")
    with pytest.raises(BenchmarkError, match=r"'gaps' has no score of .*'op': 8.*which 'random' found with seed 0"):
        compare({"random": Random()}, benchmark.evaluator(), score="test", trials=9, seeds=1)


def test_failed_trials_are_counted_in_a_warning():
    rows = [{"op": op, "epochs": epochs, "acc": op + epochs} for op in range(9) for epochs in (1, 9)]
    benchmark = TabularBenchmark(rows, choices=["op"], metrics=["acc"], seconds=1, fidelity="epochs")
    asha = ASHA(fidelity="epochs", min_fidelity=1, max_fidelity=9, reduction_factor=3)
    with pytest.warns(UserWarning, match=r"of \d+ trials of 'asha' failed, the first with: .*no results for epochs=3"):
        comparison = compare({"asha": asha}, benchmark.evaluator(), trials=20, seeds=2)
    assert all(0 < search.num_failed < search.num_trials for search in comparison.searches)


class Failing(Strategy):
    """Fails, or kills its process, when a search with an odd seed starts."""

    def __init__(self, act):
        self.act = act

    def search(self, space, *, seed=0, objectives="maximize"):
        if seed % 2:
            self.act()
        return Random().search(space, seed=seed, objectives=objectives)


def _fail():
    raise LookupError("no seed of mine")


def test_an_error_of_a_strategy_comes_out_of_the_processes_as_it_is(evaluator):
    with pytest.raises(LookupError, match="no seed of mine") as caught:
        compare({"bad": Failing(_fail)}, evaluator, trials=5, seeds=8, processes=2)
    if sys.version_info >= (3, 11):
        assert re.fullmatch(r"In the search of the strategy 'bad' with the seed [1357]\.", caught.value.__notes__[0])


def test_seeds_may_be_numbers_of_numpy(evaluator, tmp_path):
    save = tmp_path / "searches.jsonl"
    found = compare({"random": Random()}, evaluator, trials=2, seeds=np.arange(2), processes=1, save=save)
    assert found == compare({"random": Random()}, evaluator, trials=2, seeds=np.int64(2), processes=1)
    assert Comparison.load(save) == found


def test_a_strategy_without_a_text_of_its_own_is_the_same_in_the_next_run(evaluator, tmp_path):
    settings = {"trials": 2, "seeds": 1, "save": tmp_path / "searches.jsonl"}
    found = [compare({"mine": Failing(_fail)}, evaluator, **settings) for _ in range(2)]
    assert found[0] == found[1]
    assert " at 0x" not in found[0].strategies["mine"]


def test_a_killed_process_ends_the_comparison(evaluator):
    killing = Failing(lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(BenchmarkError, match=r"exit code -9: something killed it"):
        compare({"bad": killing}, evaluator, trials=5, seeds=8, processes=2)


_ENDLESS = """
from retiarii.benchmarks import TabularBenchmark
from retiarii.benchmarks.report import compare
from retiarii.strategy import Random
rows = [{"op": op, "acc": float(op)} for op in range(9)]
evaluator = TabularBenchmark(rows, choices=["op"], metrics=["acc"], seconds=1).evaluator()
print("started", flush=True)
compare({"random": Random(dedup=False)}, evaluator, trials=10**9, processes=2)
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_after_an_interruption(sent):
    child = subprocess.Popen([sys.executable, "-c", _ENDLESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.readline()
    process = psutil.Process(child.pid)
    deadline = time.monotonic() + 60
    while len(workers := process.children()) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(sent)
    _, err = child.communicate(timeout=60)
    gone, alive = psutil.wait_procs(workers, timeout=20)
    assert (len(gone), alive) == (2, [])
    if sent == signal.SIGINT:
        assert err.decode().strip().endswith("KeyboardInterrupt")
        assert err.decode().count("Traceback") == 1


def test_curves_are_drawn(compared, tmp_path):
    compared.plot(tmp_path / "regret.png", axis="trials")
    assert (tmp_path / "regret.png").read_bytes().startswith(b"\x89PNG")
    plot_regret([compared, compared], tmp_path / "regret.svg")
    assert (tmp_path / "regret.svg").read_text().count("</svg>") == 1


def test_plots_that_cannot_be_drawn_say_why(compared, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"regret.doc', expected an ending that is one of .*png.*svg"):
        compared.plot(tmp_path / "regret.doc")
    with pytest.raises(ConfigError, match="axis is 'epochs'"):
        compared.plot(tmp_path / "regret.png", axis="epochs")
    with pytest.raises(ConfigError, match=r"no trial of \['random', 'evolution'\] has ended in time"):
        replace(compared, searches=()).plot(tmp_path / "regret.png")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(BenchmarkError, match=r'pip install "retiarii\[plot\]"'):
        compared.plot(tmp_path / "regret.png")
