"""Accuracy against latency on real results, without any training: graph neural networks of NAS-Bench-Graph.

The table is built from the package nas-bench-graph (pip install "retiarii[benchmarks]"), once and within seconds.
A network may have at most 1.5 million parameters, which is checked while sampling: no trial is spent on larger ones.
"""

from retiarii import RetiariiExeConfig, RetiariiExperiment, at_most
from retiarii.benchmarks import TableState
from retiarii.benchmarks.nasbench_graph import NbGraphTable, query_nbgraph_stats
from retiarii.strategy import NSGA2

LIMIT = 1.5  # million parameters


def main():
    table = NbGraphTable()
    if table.status().state is TableState.MISSING:
        table.build(table.installed_files())

    config = RetiariiExeConfig("in_process", max_trial_number=400, seed=0)
    config.objectives = {"valid_perf": "maximize", "latency": "minimize"}
    config.constraints = [at_most(table.cost("para", "cora"), LIMIT)]
    experiment = RetiariiExperiment(table.space, table.evaluator("cora"), strategy=NSGA2())
    experiment.run(config)

    print("valid   test    latency (ms)  network")
    front = [(trial.architecture, trial.metrics or {}) for trial in experiment.pareto_front()]
    for architecture, metrics in sorted(front, key=lambda found: found[1]["latency"]):
        links, *operators = architecture.values()
        valid, test, seconds = (metrics[name] for name in ("valid_perf", "perf", "latency"))
        print(f"{valid:.4f}  {test:.4f}  {1000 * seconds:12.3f}  {links} {' '.join(operators)}")
    allowed = [row for row in query_nbgraph_stats(None, "cora") if row["para"] <= LIMIT]
    best = max(row["valid_perf"] for row in allowed)
    print(f"the best of all {len(allowed)} networks within the limit has {best:.4f}")


if __name__ == "__main__":
    main()
