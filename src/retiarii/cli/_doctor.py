"""``retiarii doctor``: check the installation, the devices and the store."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import RenderableType

from retiarii._counted import counted
from retiarii.cli._examine import examine
from retiarii.cli._json_output import print_json
from retiarii.cli._store_access import JsonOption, StorageOption, current_settings
from retiarii.cli._text import LABEL_STYLE, console, plain_table
from retiarii.terminal import Text, joined, plain

EXIT_BROKEN = 1


def doctor(
    store: Annotated[
        str | None, typer.Argument(metavar="STORE", help="The store to read in full.", show_default=False)
    ] = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the installation: versions, devices, extras, and every row of the store.

    Exit code 1 if something is broken, 0 if only extras are missing.
    """
    chosen = storage if store is None else store
    findings = examine(current_settings().storage if chosen is None else chosen)
    if as_json:
        print_json(findings)
    else:
        _print(findings)
    if findings["problems"]:
        raise typer.Exit(EXIT_BROKEN)


def _print(findings: dict[str, Any]) -> None:
    out = console()
    table = plain_table("", "")
    table.show_header = False
    table.columns[0].style = LABEL_STYLE
    for name, text in _rows(findings):
        table.add_row(name, text)
    out.print(table)
    out.print()
    for problem in findings["problems"]:
        out.print(joined(("Problem: ", "bold red"), problem), soft_wrap=True)
    if not findings["problems"]:
        out.print(plain("Everything needed is there.", style="green"))


def _rows(findings: dict[str, Any]) -> list[tuple[str, RenderableType]]:
    system, store = findings["system"], findings["store"]
    rows: list[tuple[str, RenderableType]] = [("retiarii", findings["retiarii"])]
    rows += [(name, found or plain("not installed", style="red")) for name, found in findings["packages"].items()]
    rows += [
        ("python", f"{system['python']} ({system['executable']})"),
        ("system", system["platform"]),
        ("cores", f"{system['usable_cores']} usable of {system['cores']}"),
        ("memory", f"{system['memory_gib']:.1f} GiB, {system['memory_available_gib']:.1f} GiB available"),
        ("devices", ", ".join(findings["devices"])),
        ("trials", "forked from a template process" if system["fork"] else "spawned (this system cannot fork safely)"),
        ("store", _store_text(store)),
    ]
    for name, extra in findings["extras"].items():
        missing = ", ".join(extra["missing"])
        installed = ", ".join(f"{package} {version}" for package, version in extra["installed"].items())
        text = plain(installed) if not missing else plain(f"{missing} missing: {extra['install']}", style="yellow")
        rows.append((f"extra {name}", text))
    return rows


def _store_text(store: dict[str, Any]) -> Text:
    if store["exists"] is None:
        state = "cannot be read"
    else:
        state = counted(store["experiments"], "experiment") if store["exists"] else "not there yet"
    return plain(f"{store['where']} ({state})")
