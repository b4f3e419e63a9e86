"""`BestTrialCard`: the best trial with its metrics and its architecture in short."""

from __future__ import annotations

from retiarii._readable import duration_text, number_text
from retiarii.dashboard._pages.blocks import card, empty, facts
from retiarii.dashboard._pages.elements import element, text
from retiarii.dashboard._pages.frame import address
from retiarii.dashboard._pages.region import Region
from retiarii.dashboard._pages.values import value_text
from retiarii.dashboard._reading.overview import Overview
from retiarii.trial import Trial

_MOST_LABELS = 10


class BestTrialCard:
    """A card with the best trial.

    Args:
        experiment_id: The experiment.
    """

    def __init__(self, experiment_id: str) -> None:
        self._id = experiment_id
        self._card = card("Best trial")
        with self._card:
            self._region = Region("stack")

    def show(self, found: Overview) -> None:
        """Show the best trial as it is now."""
        self._card.show_note("" if found.best is None else f"trial {found.best.number}")
        self._region.show((True, found.best), lambda: self._draw(found.best))

    def _draw(self, best: Trial | None) -> None:
        if best is None:
            empty("No result yet", "The best trial appears here as soon as one has completed.")
            return
        pairs = [(name, number_text(value)) for name, value in (best.metrics or {}).items()]
        if not best.is_feasible:
            pairs.append(("constraints", f"broken by {number_text(best.violation)}; no trial keeps them yet"))
        facts([*pairs, ("time", duration_text(best.duration_s))])
        chosen = list(best.architecture.items())
        text("h3", "Architecture")
        facts([(label, value_text(value)) for label, value in chosen[:_MOST_LABELS]])
        if len(chosen) > _MOST_LABELS:
            text("p", f"and {len(chosen) - _MOST_LABELS} more choices", "muted small")
        with element("div", "cluster"):
            text("a", "Open the trial", "button", href=address(self._id, f"trials/{best.number}"))
            text("a", "Architecture", "button", href=address(self._id, "architecture", trial=best.number))
