"""`NdsTable`: build, verify and describe the table of NDS."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING

from retiarii.benchmarks._tables.curve_blobs import unpacked_curves
from retiarii.benchmarks._tables.download import Download
from retiarii.benchmarks._tables.named_files import NamedFiles
from retiarii.benchmarks._tables.sqlite_table import SqliteTable
from retiarii.benchmarks.nds._nds_database import NDS_FILE, add_sweep, sweeps_in
from retiarii.benchmarks.nds._nds_published import SWEEPS, read_sweep
from retiarii.benchmarks.nds._nds_records import CURVES, DATASETS, GENERATORS, PROPOSERS
from retiarii.errors import BenchmarkError
from retiarii.space import SearchSpace

if TYPE_CHECKING:
    from retiarii.benchmarks._tabular.result_table import ResultTable

_NO_SPACE = (
    "NDS has samples of several design spaces, and not the results of a whole one. Make a benchmark of the trials that "
    "you want to search: retiarii.benchmarks.TabularBenchmark of a data frame made by query_nds_trial_stats."
)
_EXPECTED = "data.zip of NDS, or the folder in it, with files such as DARTS.json"


class NdsTable(SqliteTable):
    """The table of NDS: trainings of networks that are drawn at random from the spaces of ten papers.

    It is complete when all 34 published sweeps are in it, which have over 100,000 trainings.

    Reference:
        Radosavovic et al. (2019), arXiv:1905.13214.
    """

    name = "nds"
    title = "NDS"
    unit = "sweeps"
    num_architectures = len(SWEEPS)
    file = NDS_FILE
    facts = MappingProxyType(
        {
            "paper": "Radosavovic et al. (2019), On Network Design Spaces for Visual Recognition, arXiv:1905.13214",
            "files": "data.zip, from https://github.com/facebookresearch/nds",
            "licence": "MIT",
            "datasets": ", ".join(DATASETS),
            "proposers": ", ".join(PROPOSERS),
            "generators": ", ".join(GENERATORS),
        }
    )
    downloads = (Download("data.zip", "https://dl.fbaipublicfiles.com/nds/data.zip"),)
    datasets = DATASETS
    metric = "final_test_acc"

    @property
    def space(self) -> SearchSpace:
        """None: the table has samples of spaces.

        Raises:
            BenchmarkError: Always.
        """
        raise BenchmarkError(_NO_SPACE)

    def table(self, dataset: str) -> ResultTable:
        """Return nothing: see `space`.

        Raises:
            BenchmarkError: Always.
        """
        raise BenchmarkError(_NO_SPACE)

    def _import(
        self, source: Path, connection: sqlite3.Connection, on_progress: Callable[[int, int], None] | None
    ) -> None:
        files = NamedFiles(source, SWEEPS, _EXPECTED)
        known = sweeps_in(connection)
        for count, name in enumerate(files.names(), start=1):
            if name not in known:
                with files.open(name) as file:
                    self._add(connection, name, file)
            if on_progress is not None:
                on_progress(count, len(files.names()))

    def _add(self, connection: sqlite3.Connection, name: str, file: IO[bytes]) -> None:
        try:
            add_sweep(connection, name, read_sweep(file, name))
        except OverflowError as err:
            raise BenchmarkError(f"{name} has a number that is too large for the table ({err}).") from err

    def _gaps(self, connection: sqlite3.Connection, *, partial: bool) -> list[str]:
        del partial  # a sweep is written as a whole
        expected = sum(sweeps_in(connection).values())
        (found,) = connection.execute("SELECT COUNT(*) FROM trials JOIN curves USING (id)").fetchone()
        return [] if found == expected else [f"{found:,} trials have curves, expected {expected:,}"]

    def _wrong_values(self, connection: sqlite3.Connection) -> list[str]:
        problems = []
        columns = "final_train_loss, final_train_acc, final_test_acc"
        for number, data, *final in connection.execute(
            f"SELECT id, data, {columns} FROM trials JOIN curves USING (id)"
        ):
            try:
                curves = unpacked_curves(data, len(CURVES), f"The curves {number}", NDS_FILE.how_to_build)
            except BenchmarkError as err:
                problems.append(str(err))
            else:
                ends = [curve[-1] for curve in curves]
                if ends != final:
                    problems.append(f"the curves of the trial {number} end with {ends}, its results are {final}")
        return problems

    def _best(self, connection: sqlite3.Connection) -> dict[str, float]:
        statement = (
            "SELECT dataset, MAX(best_test_acc) FROM trials JOIN configs ON config = configs.id GROUP BY dataset"
        )
        return {f"best test accuracy on {name}": best for name, best in connection.execute(statement)}
