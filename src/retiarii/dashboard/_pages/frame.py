"""`frame`: what all pages have around their content: header, navigation and theme."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nicegui import ui

PAGES = {
    "": "Overview",
    "trials": "Trials",
    "space": "Space",
    "architecture": "Architecture",
    "tradeoffs": "Trade-offs",
    "oneshot": "One-shot",
    "system": "System",
}
"""The pages of an experiment: the end of the address, and the name in the navigation."""


def address(experiment_id: str, page: str = "", **query: object) -> str:
    """Return the address of a page of an experiment."""
    path = f"/experiments/{experiment_id}" + (f"/{page}" if page else "")
    filled = "&".join(f"{name}={value}" for name, value in query.items())
    return f"{path}?{filled}" if filled else path


@contextmanager
def frame(title: str, experiment_id: str | None = None, current: str = "") -> Iterator[None]:
    """Draw the frame of a page; the block draws its content.

    Args:
        title: The title of the page.
        experiment_id: The experiment that the page is of; None for the list of experiments.
        current: The page of the experiment, one of `PAGES`.
    """
    ui.page_title(f"{title} · retiarii")
    ui.dark_mode(None)
    with ui.header(elevated=False):
        ui.link("retiarii", "/")
        if experiment_id is not None:
            for page, name in PAGES.items():
                link = ui.link(name, address(experiment_id, page))
                if page == current:
                    link.props("aria-current=page")
    with ui.element("main"):
        yield
