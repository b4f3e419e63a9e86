"""The SQLite file of HW-NAS-Bench: one row for each dataset and cell."""

from __future__ import annotations

from retiarii.benchmarks._tables.table_file import TableFile
from retiarii.benchmarks.hw_nasbench._hardware_records import HARDWARE_METRICS

HARDWARE_FILE = TableFile(
    name="hw_nasbench",
    title="HW-NAS-Bench",
    application_id=0x6E626877,  # "nbhw"
    version=1,
    schema=f"""
CREATE TABLE costs (
  dataset INTEGER NOT NULL, cell INTEGER NOT NULL, {", ".join(f"{name} REAL" for name in HARDWARE_METRICS)},
  PRIMARY KEY (dataset, cell)
) WITHOUT ROWID
""",
    count="SELECT COUNT(*) FROM costs WHERE dataset = 0",
)
"""The file of the table."""
