"""Tables of published benchmarks: results of architectures that others have trained, in SQLite files.

``retiarii benchmarks build nasbench201 FOLDER`` imports the files that the authors publish into `tables_folder`. The
functions of `retiarii.benchmarks.nasbench201` query the table. `BENCHMARKS` has the names of all tables; each name
stands for a `BenchmarkTable`, which builds and verifies its file. `fetch_files` downloads the published files.

This room does not train anything, and does not import torch.
"""

from retiarii.benchmarks._tables.benchmark_table import BENCHMARKS, BenchmarkTable, BuildReport, TableState, TableStatus
from retiarii.benchmarks._tables.cache_folder import tables_folder
from retiarii.benchmarks._tables.download import Download
from retiarii.benchmarks._tables.fetching import MIRROR_VARIABLE, FetchedFile, fetch_files

__all__ = [
    "BENCHMARKS",
    "MIRROR_VARIABLE",
    "BenchmarkTable",
    "BuildReport",
    "Download",
    "FetchedFile",
    "TableState",
    "TableStatus",
    "fetch_files",
    "tables_folder",
]
