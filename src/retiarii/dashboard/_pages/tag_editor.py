"""`TagEditor`: the tags of an experiment, with buttons to remove them and a field to add one."""

from __future__ import annotations

from nicegui import run, ui

from retiarii.dashboard._pages.elements import element, text
from retiarii.dashboard._pages.region import Region
from retiarii.dashboard._reading.reader import Reader
from retiarii.errors import RetiariiError


class TagEditor:
    """The tags of an experiment, which users may change.

    Args:
        reader: What the page reads.
        experiment_id: The experiment.
    """

    def __init__(self, reader: Reader, experiment_id: str) -> None:
        self._reader, self._id = reader, experiment_id
        self._tags: tuple[str, ...] = ()
        self._draft = ""
        with element("form", "cluster") as form:
            text("label", "Tags", "muted", for_="new-tag")
            self._region = Region("cluster")
            self._field = element(
                "input", "input", id="new-tag", placeholder="add a tag", maxlength=64, autocomplete="off"
            )
            text("button", "Add", "button quiet", type="submit")
        self._field.on("input", self._note, js_handler="(event) => emit(event.target.value)")
        form.on("submit", self._add, js_handler="(event) => { event.preventDefault(); emit(); }")

    def show(self, tags: tuple[str, ...]) -> None:
        """Show the tags as they are now."""
        self._tags = tags
        self._region.show((tags,), self._draw)

    def _draw(self) -> None:
        for tag in self._tags:
            with element("span", "badge tag"):
                text("span", tag)
                remove = text("button", "✕", "remove", type="button", aria_label=f"Remove the tag {tag}")
                remove.on("click", lambda tag=tag: self._write([other for other in self._tags if other != tag]))

    def _note(self, event: object) -> None:
        self._draft = str(getattr(event, "args", ""))

    async def _add(self) -> None:
        if self._draft.strip() and await self._write([*self._tags, self._draft]):
            self._draft = ""
            ui.run_javascript(f"getHtmlElement({self._field.id}).value = ''")

    async def _write(self, tags: list[str]) -> bool:
        store = self._reader.store
        try:
            await run.io_bound(lambda: store.update_experiment(self._id, tags=tags))
            record = await run.io_bound(store.get_experiment, self._id)
        except RetiariiError as err:
            ui.notify(str(err), type="negative", multi_line=True)
            return False
        if record is not None:
            self.show(record.tags)
        return True
