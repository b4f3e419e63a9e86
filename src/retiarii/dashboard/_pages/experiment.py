"""The page of one experiment: how it is doing, what to do about it, its best trial, and why trials failed."""

from __future__ import annotations

from nicegui import run, ui

from retiarii.dashboard._pages.best_trial_card import BestTrialCard
from retiarii.dashboard._pages.elements import element
from retiarii.dashboard._pages.experiment_status import ExperimentStatus
from retiarii.dashboard._pages.failures_card import FailuresCard
from retiarii.dashboard._pages.frame import frame
from retiarii.dashboard._pages.history_card import HistoryCard
from retiarii.dashboard._pages.live import follow
from retiarii.dashboard._pages.settings_card import SettingsCard
from retiarii.dashboard._reading.kept_tables import TrialsNow
from retiarii.dashboard._reading.overview import overview
from retiarii.dashboard._reading.reader import Reader


def add_pages(reader: Reader) -> None:
    """Add the page to the app."""

    @ui.page("/experiments/{experiment_id}")
    def experiment(experiment_id: str) -> None:
        with frame("Overview", experiment_id):
            page = _ExperimentPage(reader, experiment_id)
            follow(reader, experiment_id, page.refresh)


class _ExperimentPage:
    """The parts of the page.

    Args:
        reader: What the page reads.
        experiment_id: The experiment.
    """

    def __init__(self, reader: Reader, experiment_id: str) -> None:
        self._reader, self._id = reader, experiment_id
        self._status = ExperimentStatus(reader, experiment_id)
        self._history = HistoryCard(reader, experiment_id)
        with element("div", "grid-2"):
            self._best = BestTrialCard(experiment_id)
            self._failures = FailuresCard(reader, experiment_id)
        self._settings = SettingsCard(reader, experiment_id)

    async def refresh(self) -> TrialsNow | None:
        """Show the experiment as it is now."""
        found = await run.io_bound(overview, self._reader.store, self._id)
        if found is None:  # the server is shutting down
            return None
        for part in (self._status, self._best, self._failures, self._settings):
            part.show(found)
        return await self._history.refresh()
