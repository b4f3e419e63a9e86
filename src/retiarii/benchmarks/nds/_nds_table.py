"""`NdsTable`: build, verify and describe the table of NDS."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING

from retiarii.benchmarks._tables._formats.named_files import NamedFiles
from retiarii.benchmarks._tables.curve_blobs import unpacked_curves
from retiarii.benchmarks._tables.download import Download
from retiarii.benchmarks._tables.sqlite_table import SqliteTable
from retiarii.benchmarks.nds._nds_database import NDS_FILE, add_sweep, sweeps_in
from retiarii.benchmarks.nds._nds_published import SWEEPS, read_sweep
from retiarii.benchmarks.nds._nds_records import CURVES, DATASETS, GENERATORS, PROPOSERS
from retiarii.errors import BenchmarkError
from retiarii.space import SearchSpace

if TYPE_CHECKING:
    from retiarii.benchmarks._tabular.result_table import ResultTable
    from retiarii.benchmarks._tabular.tabular_benchmark import TabularBenchmark

_NO_SPACE = (
    "NDS has samples of ten design spaces, and not the results of a whole one. Search among the networks of one with: "
    "NdsTable().sample('darts')"
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

    def sample(self, proposer: str, dataset: str = "cifar10", generator: str = "random") -> TabularBenchmark:
        """Return the networks that were drawn from one space as a benchmark, to search among them.

        A label is a key of the specs of `NdsTrialConfig`, as far as networks differ in it; lists of stages have a label
        for each stage, such as ``"ds/1"``. Trainings of the same network are its seeds. With ``"tune_lr_wd"``,
        ``base_lr`` and ``weight_decay`` are choices, too. Times of trainings were not published.

        Args:
            proposer: A proposer of `NdsTrialConfig`.
            dataset: ``"cifar10"`` or ``"imagenet"``.
            generator: A generator of `NdsTrialConfig`.

        Raises:
            ConfigError: An argument has an impossible value.
            BenchmarkError: There is no table, or it has no such trials.
        """
        from retiarii.benchmarks.nds._nds_sample import sampled_benchmark  # slow to import, unlike queries

        return sampled_benchmark(proposer, dataset, generator)

    @property
    def space(self) -> SearchSpace:
        """None: the table has samples of ten spaces; see `sample`.

        Raises:
            BenchmarkError: Always.
        """
        raise BenchmarkError(_NO_SPACE)

    def table(self, dataset: str) -> ResultTable:
        """Return nothing; see `sample`.

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
