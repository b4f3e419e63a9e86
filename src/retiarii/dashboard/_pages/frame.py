"""`frame`: what all pages have around their content: header, navigation and theme."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlencode

from nicegui import ui

from retiarii._visible import visible_line
from retiarii.dashboard._pages.blocks import badge, notice, set_badge
from retiarii.dashboard._pages.elements import element, text

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

_FRAME = "frame"
_THEMES = {"light": ("sun", "Light theme"), "system": ("screen", "Theme of the system"), "dark": ("moon", "Dark theme")}


def address(experiment_id: str, page: str = "", **query: object) -> str:
    """Return the address of a page of an experiment.

    Args:
        experiment_id: The experiment.
        page: The end of the address, as in ``"trials"`` or ``"trials/7"``.
        **query: What follows the question mark.
    """
    path = f"/experiments/{quote(experiment_id, safe='')}" + (f"/{quote(page)}" if page else "")
    return f"{path}?{urlencode(query, safe=',')}" if query else path


class Frame:
    """The parts of a page's frame that change: the name and the state of the experiment, and banners.

    Args:
        title: The title of the page.
        lead: A sentence below the title.
        experiment_id: The experiment that the page is of; None for a page of the store.
        current: The page of the experiment, one of `PAGES`.

    Attributes:
        page: The place of the page's content.
    """

    def __init__(self, title: str, lead: str, experiment_id: str | None, current: str) -> None:
        self._banners: dict[str, ui.element] = {}
        with ui.header().classes("frame-header" + (" has-crumb" if experiment_id else "")):
            with element("div", "frame-bar"):
                with element("a", "brand", href="/", aria_label="retiarii: all experiments"):
                    text("span", "retiarii", "brand-name")
                if experiment_id is not None:
                    with element("div", "crumb"):
                        self._name = text("a", experiment_id, "crumb-name clip", href=address(experiment_id))
                        self._state = badge("unknown", "…")
                _theme_switch()
            if experiment_id is not None:
                _navigation(experiment_id, current)
        with element("div", "page") as self.page:
            with element("div"):
                text("h1", title)
                if lead:
                    text("p", lead, "lead")
            self._banner_place = element("div", "stack banners")
        ui.skip_link("Skip to content", target=self.page)

    def show_experiment(self, name: str, state: str) -> None:
        """Show the name and the state of the experiment in the header."""
        self._name.text = visible_line(name)
        set_badge(self._state, state)

    def show_banner(self, topic: str, message: str, kind: str = "warning") -> None:
        """Show a sentence above the content of the page.

        Args:
            topic: What it is about; it replaces the sentence of the same topic.
            message: The sentence; an empty one removes the banner.
            kind: As in `notice`.
        """
        shown = self._banners.pop(topic, None)
        if shown is not None:
            shown.delete()
        if message:
            with self._banner_place:
                self._banners[topic] = notice(message, kind)


@contextmanager
def frame(title: str, experiment_id: str | None = None, current: str = "", *, lead: str = "") -> Iterator[Frame]:
    """Draw the frame of a page; the block draws its content.

    Args:
        title: The title of the page.
        experiment_id: The experiment that the page is of; None for a page of the store.
        current: The page of the experiment, one of `PAGES`.
        lead: A sentence below the title.

    Yields:
        The parts of the frame that change.
    """
    ui.page_title(" · ".join(visible_line(part) for part in (title, experiment_id, "retiarii") if part))
    made = Frame(title, lead, experiment_id, current)
    ui.context.client.storage[_FRAME] = made
    with made.page:
        yield made


def current_frame() -> Frame:
    """Return the frame of the page that is being drawn."""
    made: Frame = ui.context.client.storage[_FRAME]
    return made


def _navigation(experiment_id: str, current: str) -> None:
    with element("nav", "tabs", aria_label="Pages of the experiment"), element("ul"):
        for page, name in PAGES.items():
            with element("li"):
                link = text("a", name, href=address(experiment_id, page))
                if page == current:
                    link.props["aria-current"] = "page"


def _theme_switch() -> None:
    """Draw the three buttons of the theme; ``page.js`` handles them and remembers the choice in the browser."""
    with element("div", "segments theme-switch push", role="group", aria_label="Theme"):
        for choice, (icon, name) in _THEMES.items():
            with element("button", type="button", data_theme_choice=choice, aria_label=name, title=name):
                element("span", f"icon {icon}", aria_hidden="true")
