"""``retiarii benchmarks``: list, describe, download, build, verify and search tables of published results."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from retiarii._readable import size_text
from retiarii.cli._benchmarks_compare import compare
from retiarii.cli._counting_bar import counting_bar
from retiarii.cli._json_output import print_json
from retiarii.cli._store_access import JsonOption
from retiarii.cli._text import LABEL_STYLE, console, error_console, plain_table
from retiarii.terminal import Text, joined, plain, visible_line

if TYPE_CHECKING:
    from retiarii.benchmarks import BenchmarkTable, FetchedFile, TableStatus

EXIT_WRONG = 1
_UNREADABLE = "unreadable"

NameArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", help="A table, such as nasbench201.", show_default=False)
]

benchmarks_app = typer.Typer(
    help="Tables of published benchmarks: list, info, download, build, verify, compare.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)


def list_tables(as_json: JsonOption = False) -> None:
    """List the tables, and say which are built.

    The exit code is 1 if a table cannot be read.
    """
    from retiarii.benchmarks import BENCHMARKS

    tables = [_table(name) for name in BENCHMARKS.names()]
    found = [(table, *_status(table)) for table in tables]
    problems = [problem for _, _, problem in found if problem]
    if as_json:
        print_json([_status_json(table, status) if status else _problem_json(table, p) for table, status, p in found])
    else:
        shown = plain_table("name", "benchmark", "state", "size", "stored in")
        for table, status, _ in found:
            shown.add_row(plain(table.name, style="bold"), table.title, *_status_cells(table, status))
        out = console()
        out.print(shown)
        out.print()
        out.print(plain("More about one: retiarii benchmarks info NAME", style=LABEL_STYLE))
    for problem in problems:
        error_console().print(joined(("Problem: ", "bold red"), problem), soft_wrap=True)
    if problems:
        raise typer.Exit(EXIT_WRONG)


def info(name: NameArgument, as_json: JsonOption = False) -> None:
    """Describe one table: its paper, its published files, and its best results.

    Raises:
        ConfigError: There is no such table.
        BenchmarkError: The table is damaged.
    """
    table = _table(name)
    status = table.status()
    best = dict(table.best()) if status.num_architectures else {}
    if as_json:
        print_json({**_status_json(table, status), "facts": dict(table.facts), "best": best})
        return
    shown = plain_table("", "")
    shown.show_header = False
    shown.columns[0].style = LABEL_STYLE
    rows = {
        "benchmark": table.title,
        **table.facts,
        "state": _state_text(table, status),
        "stored in": _place_text(status),
        **{label: f"{value:.4f}" for label, value in best.items()},
    }
    for label, text in rows.items():
        shown.add_row(label, plain(text))
    console().print(shown)


def download(
    name: NameArgument,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE]...", help="Published files; all but the optional ones if left out."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="PLACE",
            help="Another place than the publisher's: a file, a folder, or an https address (of a folder with / at its "
            "end).",
        ),
    ] = None,
    sha256: Annotated[
        str | None, typer.Option("--sha256", metavar="HEX", help="The expected checksum, for one file.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--to", metavar="FOLDER", help="The folder for the files.", show_default=False)
    ] = None,
) -> None:
    """Download the published files of a table.

    What has arrived before an interruption is kept: the same command continues there. The environment variable
    RETIARII_BENCHMARKS_MIRROR names another place than the publishers' for the files of all tables.

    Raises:
        ConfigError: There is no such table or file, or the address or checksum is wrong.
        BenchmarkError: A file cannot be fetched, is not the published one or has to be fetched by hand.
    """
    from retiarii.benchmarks import fetch_files

    table = _table(name)
    with _download_bar() as show:
        found = fetch_files(table, files or (), source=source, sha256=sha256, folder=folder, on_progress=show)
    for file in found:
        console().print(plain(_fetched_text(file)), soft_wrap=True)
    place = found[0].path if len(found) == 1 else found[0].path.parent
    command = f"retiarii benchmarks build {table.name} {visible_line(shlex.quote(str(place)))}"
    console().print(plain(f"Build the table with: {command}"), soft_wrap=True)


def build(
    name: NameArgument,
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            help="The published files: a folder, an archive or a file. Those of an installed Python package are found.",
            show_default=False,
        ),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Make a table of the architectures that are there, if some are missing.")
    ] = False,
) -> None:
    """Build a table from the published files.

    An interrupted build continues with the same command. The present table is replaced at the end.

    Raises:
        ConfigError: There is no such table.
        BenchmarkError: Files are damaged, malicious, missing or not named; the present table is left as it is.
    """
    table = _table(name)
    with counting_bar(table.progress_unit) as show:
        report = table.build(source or table.installed_files(), partial=partial, on_progress=show)
    console().print(
        plain(
            f"{table.title}: {report.num_architectures:,} {table.unit} ({report.num_added:,} read, "
            f"{report.num_skipped:,} were there before) in {visible_line(str(report.path))}"
        ),
        soft_wrap=True,
    )


def verify(name: NameArgument) -> None:
    """Read a whole table and check it: the file, the counts, every curve and the best results.

    The exit code is 1 if something is wrong.

    Raises:
        ConfigError: There is no such table.
        BenchmarkError: There is no table.
    """
    table = _table(name)
    problems = table.verify()
    for problem in problems:
        error_console().print(joined(("Problem: ", "bold red"), problem), soft_wrap=True)
    if problems:
        raise typer.Exit(EXIT_WRONG)
    status = table.status()
    console().print(plain(f"{table.title}: {_state_text(table, status)}, nothing is wrong.", style="green"))


class _NameColumn(ProgressColumn):
    """The name of a file, which is no markup."""

    def render(self, task: Task) -> Text:
        """Return the name."""
        return plain(task.description)


@contextmanager
def _download_bar() -> Iterator[Callable[[str, int, int | None], None]]:
    columns = (
        _NameColumn(),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=error_console(), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done, total=total)

        yield show


def _fetched_text(file: FetchedFile) -> str:
    before = ", was there before" if file.was_there else ""
    checked = (
        "the expected checksum"
        if file.is_checked
        else f"SHA-256 {file.sha256}, which could not be compared: the publisher gives none. Building checks it"
    )
    return f"{visible_line(str(file.path))}: {size_text(file.size_bytes)}{before}, {checked}"


def _table(name: str) -> BenchmarkTable:
    from retiarii.benchmarks import BENCHMARKS, BenchmarkTable

    table = BENCHMARKS.get(name)()
    assert isinstance(table, BenchmarkTable)
    return table


def _status(table: BenchmarkTable) -> tuple[TableStatus | None, str]:
    """Return what is there of a table, or what is wrong with its file."""
    from retiarii.errors import BenchmarkError

    try:
        return table.status(), ""
    except BenchmarkError as err:
        return None, str(err)


def _status_cells(table: BenchmarkTable, status: TableStatus | None) -> tuple[str, str, str]:
    if status is None:
        return _UNREADABLE, "-", "-"
    size = size_text(status.size_bytes) if status.size_bytes else "-"
    return _state_text(table, status), size, _place_text(status)


def _problem_json(table: BenchmarkTable, problem: str) -> dict[str, Any]:
    return {"name": table.name, "title": table.title, "state": _UNREADABLE, "problem": problem}


def _status_json(table: BenchmarkTable, status: TableStatus) -> dict[str, Any]:
    return {
        "name": table.name,
        "title": table.title,
        "state": status.state.value,
        "architectures": status.num_architectures,
        "architectures_in_all": table.num_architectures,
        "size_bytes": status.size_bytes,
        "path": str(status.path),
        "building": status.num_building,
    }


def _state_text(table: BenchmarkTable, status: TableStatus) -> str:
    text = status.state.value
    if status.num_architectures:
        text += f", {status.num_architectures:,} of {table.num_architectures:,} {table.unit}"
    if status.num_building is not None:
        text += f" (unfinished build: {status.num_building:,})"
    return text


def _place_text(status: TableStatus) -> str:
    return visible_line(str(status.path))


def _add(name: str, command: Callable[..., None]) -> None:
    """Add a command, with the part of its docstring before ``Raises:`` as help."""
    shown, _, _ = inspect.cleandoc(command.__doc__ or "").partition("\n\nRaises:")
    benchmarks_app.command(name, help=shown)(command)


_add("list", list_tables)
_add("info", info)
_add("download", download)
_add("build", build)
_add("verify", verify)
_add("compare", compare)
