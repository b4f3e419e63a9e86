"""The Typer application: the options before the command, and the list of commands."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated

import typer

from retiarii._version import __version__
from retiarii.cli._benchmarks import benchmarks_app
from retiarii.cli._dashboard_command import dashboard, view
from retiarii.cli._doctor import doctor
from retiarii.cli._export_command import export
from retiarii.cli._list import list_experiments
from retiarii.cli._manage import delete, stop
from retiarii.cli._profile_command import profile
from retiarii.cli._report import report
from retiarii.cli._run_command import create, demo, resume
from retiarii.cli._script_command import run
from retiarii.cli._show import show
from retiarii.cli._space_command import ss_gen
from retiarii.cli._store_access import StorageOption, current_settings
from retiarii.terminal import write

app = typer.Typer(
    name="retiarii",
    help="Neural architecture search for PyTorch: look at experiments, resume them, export the best architectures.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        write(f"retiarii {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    storage: StorageOption = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    settings = current_settings()
    settings.storage, settings.debug = storage, debug


_EXPERIMENTS, _TRIALS, _MODELS, _SET_UP = "Experiments", "Inside of trials", "Models", "Set-up"


def _add(name: str, command: Callable[..., None], panel: str, *, hidden: bool = False, **context: bool) -> None:
    """Add a command, with the part of its docstring before ``Raises:`` as help."""
    shown, _, _ = inspect.cleandoc(command.__doc__ or "").partition("\n\nRaises:")
    app.command(name, help=shown, rich_help_panel=panel, context_settings=context, hidden=hidden)(command)


_add("create", create, _EXPERIMENTS)
_add("ss-gen", ss_gen, _EXPERIMENTS)
_add("ss_gen", ss_gen, _EXPERIMENTS, hidden=True)  # NNI's spelling
_add("list", list_experiments, _EXPERIMENTS)
_add("show", show, _EXPERIMENTS)
_add("dashboard", dashboard, _EXPERIMENTS)
_add("view", view, _EXPERIMENTS)
_add("export", export, _EXPERIMENTS)
_add("resume", resume, _EXPERIMENTS)
_add("run", run, _EXPERIMENTS, allow_interspersed_args=False)
_add("stop", stop, _EXPERIMENTS)
_add("delete", delete, _EXPERIMENTS)
_add("report", report, _TRIALS)
_add("profile", profile, _MODELS)
app.add_typer(benchmarks_app, name="benchmarks", rich_help_panel=_SET_UP)
_add("doctor", doctor, _SET_UP)
_add("demo", demo, _SET_UP)
