"""``retiarii dashboard`` and ``retiarii view``: experiments in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from retiarii.cli._store_access import IdArgument, StorageOption, current_settings, found
from retiarii.errors import MissingExtraError

PortOption = Annotated[int, typer.Option("--port", min=0, max=65535, help="The first port to try.")]
HostOption = Annotated[
    str, typer.Option("--host", help="The address to listen on. Every other than 127.0.0.1 needs a token.")
]
OpenOption = Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")]


def dashboard(
    port: PortOption = 8080,
    host: HostOption = "127.0.0.1",
    opens: OpenOption = False,
    parent: Annotated[int | None, typer.Option("--parent", hidden=True)] = None,
    storage: StorageOption = None,
) -> None:
    """Show all experiments of a store in a browser, live.

    Raises:
        MissingExtraError: The extra "dashboard" is not installed.
        ConfigError: The address or the port cannot be used.
    """
    _serve("/", port=port, host=host, opens=opens, parent=parent, storage=storage)


def view(
    experiment_id: IdArgument,
    port: PortOption = 8080,
    host: HostOption = "127.0.0.1",
    opens: OpenOption = False,
    storage: StorageOption = None,
) -> None:
    """Show an experiment in a browser, live; the others of its store are one click away.

    Raises:
        NotFoundError: No such experiment, or several of this name.
        MissingExtraError: The extra "dashboard" is not installed.
        ConfigError: The address or the port cannot be used.
    """
    with found(storage, experiment_id) as (store, record):
        url, page = store.url, f"/experiments/{record.id}"
    _serve(page, port=port, host=host, opens=opens, parent=None, storage=url)


def _serve(page: str, *, port: int, host: str, opens: bool, parent: int | None, storage: str | None) -> None:
    try:
        from retiarii.dashboard import ServeOptions, serve
    except ModuleNotFoundError as err:
        raise MissingExtraError(
            f'The dashboard needs {err.name}, which is not installed: pip install "retiarii[dashboard]"'
        ) from err
    from retiarii.storage import open_store

    with open_store(current_settings().storage if storage is None else storage) as store:
        serve(store, ServeOptions(host=host, port=port, page=page, opens_browser=opens, parent=parent))
