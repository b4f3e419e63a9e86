"""`SettingsCard`: the strategy, the settings and the tags of an experiment."""

from __future__ import annotations

import json
from typing import Any

from retiarii._readable import moment_text
from retiarii.dashboard._pages.blocks import card, code, facts
from retiarii.dashboard._pages.elements import element, text
from retiarii.dashboard._pages.region import Region
from retiarii.dashboard._pages.tag_editor import TagEditor
from retiarii.dashboard._reading.overview import Overview
from retiarii.dashboard._reading.reader import Reader


class SettingsCard:
    """A card with what an experiment was started with.

    Args:
        reader: What the page reads.
        experiment_id: The experiment.
    """

    def __init__(self, reader: Reader, experiment_id: str) -> None:
        self._reader = reader
        with card("Settings", experiment_id):
            self._facts = Region()
            self._tags = TagEditor(reader, experiment_id)
            with element("details"):
                text("summary", "All settings")
                self._settings = Region()

    def show(self, found: Overview) -> None:
        """Show the settings as they are now."""
        pairs = _pairs(found, self._reader.store.where)
        self._facts.show(pairs, lambda: facts(pairs))
        self._tags.show(found.record.tags)
        settings = json.dumps(found.record.config.get("settings", {}), indent=2)
        self._settings.show(settings, lambda: code(settings, name="settings"))


def _pairs(found: Overview, where: str) -> list[tuple[str, Any]]:
    record = found.record
    pairs = [
        ("strategy", record.strategy),
        ("objectives", str(record.objectives)),
        ("seed", record.seed),
        ("started", moment_text(record.created)),
        ("process", f"{record.pid} on {record.host}" if found.is_running and record.pid is not None else ""),
        ("kept in", where),
        ("retiarii", record.version),
    ]
    return [(name, value) for name, value in pairs if value != ""]
