"""NAS-Bench-Graph: the results of 26,206 graph neural networks on nine graphs.

`query_nbgraph_stats` returns results as dicts, whose keys are those of `NbGraphStats`. The table is built once, with
``retiarii benchmarks build nasbench_graph``, from the installed package ``nas-bench-graph`` or its wheel
(`NbGraphTable`).
"""

from retiarii.benchmarks.nasbench_graph._graph_codes import NODES, OPERATORS, PROTEINS_OPERATORS, SHAPES
from retiarii.benchmarks.nasbench_graph._graph_query import query_nbgraph_stats
from retiarii.benchmarks.nasbench_graph._graph_records import GRAPH_DATASETS, NbGraphConfig, NbGraphStats
from retiarii.benchmarks.nasbench_graph._graph_table import NbGraphTable

__all__ = [
    "GRAPH_DATASETS",
    "NODES",
    "OPERATORS",
    "PROTEINS_OPERATORS",
    "SHAPES",
    "NbGraphConfig",
    "NbGraphStats",
    "NbGraphTable",
    "query_nbgraph_stats",
]
