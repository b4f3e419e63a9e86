"""The page of one architecture: the network with what it chooses marked, its choices, JSON and code."""

from __future__ import annotations

import json

from nicegui import run, ui

from retiarii._readable import number_text
from retiarii._visible import visible_line
from retiarii.dashboard._pages.blocks import Card, badge, card, code, empty, notice, stat, stats
from retiarii.dashboard._pages.elements import element, text
from retiarii.dashboard._pages.frame import address, frame
from retiarii.dashboard._pages.live import follow
from retiarii.dashboard._pages.network_view import NetworkView
from retiarii.dashboard._reading.architecture_view import ArchitectureView, architecture_view, read_drawing, totals
from retiarii.dashboard._reading.reader import Reader
from retiarii.dashboard._steering.code_export import CODE_EXPORT
from retiarii.drawing import Drawing
from retiarii.errors import RetiariiError
from retiarii.trial import Trial

_MAX_SHOWN = 60


def add_pages(reader: Reader) -> None:
    """Add the page to the app."""

    @ui.page("/experiments/{experiment_id}/architecture")
    def architecture(experiment_id: str, trial: int | None = None) -> None:
        with frame("Architecture", experiment_id, "architecture"):
            page = _ArchitecturePage(reader, experiment_id, trial)
            follow(reader, experiment_id, page.refresh)


class _ArchitecturePage:
    """The parts of the page.

    Args:
        reader: What the page reads.
        experiment_id: The experiment.
        number: The trial; None for the best.
    """

    def __init__(self, reader: Reader, experiment_id: str, number: int | None) -> None:
        self._reader, self._id, self._number = reader, experiment_id, number
        self._drawing: Drawing | str | None = None
        self._shown: object = None
        self._shown_choices: object = None
        self._chooser = element("div", "spread")
        self._stats = element("div")
        with element("div", "network-page"):
            self._network = card("Network", is_flush=True)
            with element("div", "stack network-side"):
                self._choices = card("Choices", is_flush=True)
                self._export = card("Use it")

    async def refresh(self) -> None:
        """Show the architecture as it is now."""
        if self._drawing is None or self._drawing == "" or _may_grow(self._drawing):
            self._drawing = await run.io_bound(read_drawing, self._reader.store, self._id)
        view = await run.io_bound(architecture_view, self._reader.store, self._id, self._number)
        if view is not None and self._drawing is not None:
            self._show(view, self._drawing)

    def _show(self, view: ArchitectureView, drawing: Drawing | str) -> None:
        numbers = tuple(trial.number for trial in view.best)
        shown = (view.trial, view.problem, numbers, drawing)
        if shown == self._shown:
            return
        self._shown = shown
        self._chooser.clear()
        with self._chooser:
            _draw_chooser(view)
        self._stats.clear()
        with self._stats:
            _draw_totals(view, drawing)
        choices = (view.choices, drawing, view.trial and view.trial.number)
        if choices == self._shown_choices:  # zoom and code stay
            return
        self._shown_choices = choices
        with _emptied(self._network):
            _draw_network(view, drawing)
        with _emptied(self._choices):
            _draw_choices(view)
        with _emptied(self._export):
            self._draw_export(view)

    def _draw_export(self, view: ArchitectureView) -> None:
        trial = view.trial
        if trial is None:
            text("p", "JSON and code of an architecture are here once a trial has one.", "muted")
            return
        content = json.dumps(view.of_model, indent=2)
        name = f"{self._id}-trial-{trial.number}"
        with element("div", "cluster"):
            _button("Download JSON", lambda: ui.download.content(content, f"{name}.json", "application/json"))
            write = _button("Write the code", None) if isinstance(self._drawing, Drawing) else None
        if write is not None:
            place = element("div", "stack")
            write.on("click", lambda: self._write_code(trial, name, write, place))
        code(content, name="JSON of the architecture")
        text("p", "with fixed_arch(...): builds this network from the model of the search.", "muted small")

    async def _write_code(self, trial: Trial, name: str, button: ui.element, place: ui.element) -> None:
        """Export the code in a process of its own, and show it, or why it could not be written.

        The page then stays with this trial, also when another one becomes the best.
        """
        self._number = trial.number
        button.props["disabled"] = True
        place.clear()
        with place:
            notice("Writing the code: the model is loaded in a process of its own, which takes some seconds …")
        try:
            content, problem = await run.io_bound(CODE_EXPORT.code, self._reader.store, self._id, trial.number), ""
        except RetiariiError as error:
            content, problem = "", str(error)
        place.clear()
        button.props["disabled"] = False
        with place:
            if problem or content is None:
                notice(problem or "The dashboard is ending.", "error")
                return
            with element("div", "cluster"):
                _button("Download code", lambda: ui.download.content(content, f"{name}.py", "text/x-python"))
            code(content, name="code of the network")


def _emptied(box: Card) -> Card:
    """Return a card after emptying it."""
    box.body.clear()
    return box


def _may_grow(drawing: Drawing | str) -> bool:
    """Return whether a drawing may get shapes and FLOPs later."""
    return isinstance(drawing, Drawing) and drawing.input_shape is None


def _button(label: str, on_click: object) -> ui.element:
    made = text("button", label, "button quiet", type="button")
    if callable(on_click):
        made.on("click", on_click)
    return made


def _draw_chooser(view: ArchitectureView) -> None:
    experiment_id, trial = view.record.id, view.trial
    with element("div", "cluster"):
        if trial is not None:
            text("a", f"Trial {trial.number}", href=address(experiment_id, f"trials/{trial.number}"))
            if view.best and trial.number == view.best[0].number:
                badge("best")
            badge(trial.state.value)
        if view.problem:
            notice(view.problem, "warning")
    with element("div", "filters"):
        if view.best:
            _best_field(view)
        with element("form", "field beside", action=address(experiment_id, "architecture"), method="get"):
            text("label", "Any trial", for_="any-trial")
            element(
                "input", "input network-number", id="any-trial", name="trial", type="number", min="0", required=True
            )
            text("button", "Show", "button", type="submit")


def _best_field(view: ArchitectureView) -> None:
    shown = None if view.trial is None else view.trial.number
    metric = view.record.objectives.primary.metric
    with element("div", "field beside"):
        text("label", "Best trials", for_="best-trials")
        with element("select", "input", id="best-trials") as chooser:
            if shown not in {trial.number for trial in view.best}:
                text("option", "…", value="", selected=True)
            for rank, trial in enumerate(view.best, start=1):
                value = number_text((trial.metrics or {}).get(metric, trial.metric))
                option = text("option", f"{rank}. trial {trial.number}: {value}", value=str(trial.number))
                if trial.number == shown:
                    option.props["selected"] = True

        def go(number: object) -> None:
            if str(number).isdecimal():
                ui.navigate.to(address(view.record.id, "architecture", trial=str(number)))

        chooser.on("change", lambda event: go(event.args), js_handler="(event) => emit(event.target.value)")


def _draw_totals(view: ArchitectureView, drawing: Drawing | str) -> None:
    trial = view.trial
    if trial is None:
        return
    metrics = dict(trial.metrics or {})
    known = totals(drawing, view.choices) if isinstance(drawing, Drawing) else None
    with stats():
        for name in view.record.objectives.names:
            stat(visible_line(name), number_text(metrics.get(name)))
        if "params" not in metrics and known is not None and known.num_params:
            note = "" if known.has_all_params else "without layers whose size is a choice"
            stat("Parameters", f"{'' if known.has_all_params else '≥ '}{known.num_params:,}", note)
        if "flops" not in metrics and known is not None and known.flops:
            shape = " \u00d7 ".join(map(str, drawing.input_shape or ())) if isinstance(drawing, Drawing) else ""
            stat("FLOPs", f"≥ {known.flops:,.0f}", f"of the drawn layers, for an input of {shape}")
        for name in ("params", "flops"):
            if name in metrics and name not in view.record.objectives.names:
                stat(name, f"{metrics[name]:,.0f}")
        stat("Choices", len(view.choices))


def _draw_network(view: ArchitectureView, drawing: Drawing | str) -> None:
    if isinstance(drawing, Drawing):
        NetworkView(drawing, view.choices if view.trial is not None else None)
        if view.trial is not None:
            text(
                "p",
                "Thick border and tick: chosen. Faint and dashed: not used by this architecture.",
                "muted small pad",
            )
        return
    if drawing:
        with element("div", "pad"):
            notice(visible_line(drawing), "warning")
    if view.space:
        _draw_space(view)
    elif not drawing:
        empty("No drawing", "This experiment has stored no drawing of a model, and no search space that can be shown.")


def _draw_space(view: ArchitectureView) -> None:
    """Draw the choices of a space as a table, with their conditions and what is chosen."""
    with element("div", "table-scroll", tabindex="0", role="region", aria_label="Choices of the search space"):
        with element("table", "data"):
            text("caption", "Choices of the search space")
            with element("thead"), element("tr"):
                for title in ("Label", "Candidates", "Only if", "Chosen"):
                    text("th", title, scope="col")
            with element("tbody"):
                for label, domain, condition, *_ in view.space[:_MAX_SHOWN]:
                    with element("tr", "" if label in view.choices or not view.choices else "unused"):
                        text("th", visible_line(label), scope="row")
                        text("td", visible_line(domain))
                        text("td", "" if condition == "always" else visible_line(condition))
                        text("td", _value(view.choices[label]) if label in view.choices else "\u2013", "mono")
    if len(view.space) > _MAX_SHOWN:
        text("p", f"… and {len(view.space) - _MAX_SHOWN} more, on the page Space.", "muted small pad")


def _draw_choices(view: ArchitectureView) -> None:
    if not view.choices:
        empty("No architecture yet", "The first trial that ends well is shown here by itself.")
        return
    of_evaluator = set(view.choices) - set(view.of_model)
    with element("div", "table-scroll network-choices", tabindex="0", role="region", aria_label="Choices"):
        with element("table", "data"):
            text("caption", "Choices of this architecture")
            with element("thead"), element("tr"):
                text("th", "Label", scope="col")
                text("th", "Value", scope="col")
            with element("tbody"):
                for label, value in sorted(view.choices.items(), key=lambda item: item[0] in of_evaluator):
                    with element("tr"):
                        with element("th", "wrap-anywhere", scope="row"):
                            text("span", visible_line(label))
                            if label in of_evaluator:
                                text("div", "of the evaluator", "muted small")
                        text("td", _value(value), "mono wrap-anywhere")


def _value(value: object) -> str:
    return visible_line(value if isinstance(value, str) else json.dumps(value))
