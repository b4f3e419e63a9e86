"""The SQLite file of NAS-Bench-Macro: one row for each network."""

from __future__ import annotations

from retiarii.benchmarks._tables.table_file import TableFile

MACRO_FILE = TableFile(
    name="nasbench_macro",
    title="NAS-Bench-Macro",
    application_id=0x6E626D61,  # "nbma"
    version=1,
    schema="""
CREATE TABLE networks (
  number INTEGER PRIMARY KEY, test_acc_0 REAL NOT NULL, test_acc_1 REAL NOT NULL, test_acc_2 REAL NOT NULL,
  params INTEGER NOT NULL, flops INTEGER NOT NULL
)
""",
    count="SELECT COUNT(*) FROM networks",
)
"""The file of the table."""
