"""The SQLite file of NAS-Bench-Graph: one row for each dataset and network."""

from __future__ import annotations

from retiarii.benchmarks._tables.table_file import TableFile
from retiarii.benchmarks.nasbench_graph._graph_records import RESULTS

GRAPH_FILE = TableFile(
    name="nasbench_graph",
    title="NAS-Bench-Graph",
    application_id=0x6E626772,  # "nbgr"
    version=1,
    schema=f"""
CREATE TABLE results (
  dataset INTEGER NOT NULL, network INTEGER NOT NULL, {", ".join(f"{name} REAL NOT NULL" for name in RESULTS)},
  PRIMARY KEY (dataset, network)
) WITHOUT ROWID
""",
    count="SELECT COUNT(*) FROM results WHERE dataset = 0",
)
"""The file of the table."""
