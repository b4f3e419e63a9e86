"""`BenchmarkTable`: the interface of a table to the commands that build, list and verify tables."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from retiarii._registry import Registry
from retiarii.benchmarks._tables._formats.installed_package import installed_folder
from retiarii.benchmarks._tables.download import Download
from retiarii.benchmarks._tabular.benchmark import Benchmark
from retiarii.errors import BenchmarkError, ConfigError

BENCHMARKS = Registry(
    "benchmark",
    {
        "hw_nasbench": "retiarii.benchmarks.hw_nasbench:HwNasTable",
        "nasbench101": "retiarii.benchmarks.nasbench101:Nb101Table",
        "nasbench201": "retiarii.benchmarks.nasbench201:Nb201Table",
        "nasbench_graph": "retiarii.benchmarks.nasbench_graph:NbGraphTable",
        "nasbench_macro": "retiarii.benchmarks.nasbench_macro:NbMacroTable",
        "nats_size": "retiarii.benchmarks.nats_size:NatsSizeTable",
        "nds": "retiarii.benchmarks.nds:NdsTable",
    },
    "retiarii.benchmarks",
)
"""Classes of benchmarks, by name. Other packages add theirs through entry points."""


def get_benchmark(name: str) -> Benchmark:
    """Return the benchmark of a name, such as ``"nasbench201"``; its table need not be built yet.

    Raises:
        ConfigError: There is no such benchmark, or its name stands for something else.
    """
    made = BENCHMARKS.get(name)()
    if not isinstance(made, Benchmark):
        raise ConfigError(
            f"The benchmark {name!r} is {made!r}, expected an instance of retiarii.benchmarks.Benchmark. Repair or "
            "uninstall the package that gives it."
        )
    return made


class TableState(str, Enum):
    """How much of a table there is."""

    MISSING = "missing"
    PARTIAL = "partial"
    COMPLETE = "complete"


@dataclass(frozen=True)
class TableStatus:
    """What is there of a table.

    Attributes:
        path: The database file.
        state: Whether it is there, and has every architecture.
        num_architectures: How many architectures it has.
        size_bytes: The size of the file.
        num_building: How many architectures an unfinished build has read; None if there is none.
    """

    path: Path
    state: TableState
    num_architectures: int
    size_bytes: int
    num_building: int | None = None


@dataclass(frozen=True)
class BuildReport:
    """The result of a build.

    Attributes:
        path: The database file.
        num_added: How many architectures were read.
        num_skipped: How many were there before.
        num_architectures: How many architectures the table has now.
    """

    path: Path
    num_added: int
    num_skipped: int
    num_architectures: int


class BenchmarkTable(Benchmark):
    """A benchmark whose results are kept in one file, which is built from published files.

    Attributes:
        name: The name on the command line.
        title: The name in papers.
        num_architectures: How many architectures the complete table has.
        unit: What is counted as an architecture, if that is something else.
        facts: What people want to know about it, such as the paper and the licence of the published files.
        progress_unit: What the progress of a build counts.
        downloads: The published files, for ``retiarii benchmarks download``.
        package: The Python package that has the published files, if they are in one.
    """

    title: str
    num_architectures: int
    unit: str = "architectures"
    facts: Mapping[str, str]
    progress_unit: str = "files"
    downloads: Sequence[Download] = ()
    package: str | None = None

    def installed_files(self) -> Path:
        """Return the folder of the installed package that has the published files. No code of it runs.

        Raises:
            BenchmarkError: The files are not in a package, or it is not installed.
        """
        found = None if self.package is None else installed_folder(self.package)
        if found is not None:
            return found
        build = f"retiarii benchmarks build {self.name} FOLDER"
        if self.package is None:
            raise BenchmarkError(f"Name the published files of {self.title}: {build}")
        raise BenchmarkError(
            f"The package {self.package}, which has the published files of {self.title}, is not installed. Install it "
            f"with: pip install {self.package.replace('_', '-')}. Or name the files: {build}"
        )

    @abstractmethod
    def status(self) -> TableStatus:
        """Return what is there.

        Raises:
            BenchmarkError: The file is damaged, or is not a table of this package.
        """

    @abstractmethod
    def build(
        self, source: Path, *, partial: bool = False, on_progress: Callable[[int, int], None] | None = None
    ) -> BuildReport:
        """Import the published files into the table.

        Args:
            source: A folder, an archive or a single published file.
            partial: Whether to make a table of the architectures that are there, when others are missing.
            on_progress: Called now and then, with how much is read so far and in all, in `progress_unit`.

        Raises:
            BenchmarkError: A file is damaged, malicious or of another benchmark, or files are missing. The present
                table is left as it is.
        """

    @abstractmethod
    def verify(self) -> list[str]:
        """Read the whole table, and return its problems.

        Raises:
            BenchmarkError: There is no table.
        """

    @abstractmethod
    def best(self) -> Mapping[str, float]:
        """Return the best results of the table, by their descriptions.

        Raises:
            BenchmarkError: There is no table, or it is damaged.
        """
