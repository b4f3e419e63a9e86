"""The page with what an experiment uses of this machine: processes, memory, disk and versions."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import psutil
from nicegui import run, ui

from retiarii._counted import counted
from retiarii._readable import size_text
from retiarii.dashboard._pages.blocks import card, facts, stat, stats
from retiarii.dashboard._pages.data_table import Column, DataTable, TableCell, TableQuery, TableRow, TableRows
from retiarii.dashboard._pages.elements import text
from retiarii.dashboard._pages.frame import frame
from retiarii.dashboard._pages.live import follow
from retiarii.dashboard._pages.region import Region
from retiarii.dashboard._reading.kept_tables import TrialsNow
from retiarii.dashboard._reading.reader import Reader
from retiarii.dashboard._reading.system_usage import (
    DiskUsage,
    ProcessUsage,
    SystemUsage,
    num_trials_by_device,
    versions,
)
from retiarii.storage import ExperimentRecord, Store

_LOOK_S = 3.0
_COLUMNS = (
    Column("pid", "Process", sortable=False),
    Column("cpu", "CPU", numeric=True, sortable=False, hint="Of one core, since the last look."),
    Column("memory", "Memory", numeric=True, sortable=False, hint="Resident; shared pages count in each process."),
    Column("command", "Command", sortable=False),
)


def add_pages(reader: Reader) -> None:
    """Add the page to the app."""
    usage = SystemUsage()

    @ui.page("/experiments/{experiment_id}/system")
    def system(experiment_id: str) -> None:
        with frame("System", experiment_id, "system"):
            page = _SystemPage(reader, usage, experiment_id)
            follow(reader, experiment_id, page.refresh)
            ui.timer(_LOOK_S, page.refresh_usage, immediate=False)


class _SystemPage:
    """The parts of the page that change."""

    def __init__(self, reader: Reader, usage: SystemUsage, experiment_id: str) -> None:
        self._reader, self._usage, self._experiment_id = reader, usage, experiment_id
        self._store: Store | None = None  # that was there at the last refresh; looking at the disk needs no other
        self._record: ExperimentRecord | None = None
        self._found: Sequence[ProcessUsage] = ()
        with stats():
            self._num, self._cpu, self._memory, self._free = (
                stat(label, "…") for label in ("Processes", "CPU, in cores", "Memory", "Memory free on this machine")
            )
        with card("Processes", is_flush=True) as self._processes:
            self._table = DataTable(
                "Processes of the experiment",
                _COLUMNS,
                self._load,
                limit=100,
                empty="No process of this experiment runs on this machine.",
            )
        with card("Disk"):
            self._disk = Region()
        with card("Devices of trials") as self._devices:
            pass
        with card("Versions") as self._versions:
            pass

    async def refresh(self) -> TrialsNow | None:
        """Show the present state: record, devices, versions and what is used; return the trials."""
        self._store = self._reader.store
        self._record = await run.io_bound(self._store.get_experiment, self._experiment_id)
        if self._record is None:
            return None
        trials = await self._show_devices()
        self._versions.body.clear()
        with self._versions.body:
            facts(await run.io_bound(versions, self._record) or {})
        await self.refresh_usage()
        return trials

    async def _show_devices(self) -> TrialsNow | None:
        trials = await run.io_bound(self._reader.trials_now, self._experiment_id)
        counts = {} if trials is None else num_trials_by_device(trials.table)
        self._devices.body.clear()
        with self._devices.body:
            if counts:
                facts({device: counted(count, "trial") for device, count in counts.items()})
            else:
                text("p", "No trial has a device: trials run on the CPU, or none has started.", "muted")
        return trials

    async def refresh_usage(self) -> None:
        """Show what the processes and the disk use now."""
        store, record = self._store, self._record
        if store is None or record is None:
            return
        disk = await run.io_bound(self._usage.disk, store, self._experiment_id)
        shown = _disk_facts(store.where, disk)
        self._disk.show(shown, lambda: facts(shown))
        await self._table.refresh()
        found = self._found
        place = f"on {record.host}" if record.host else ""
        elsewhere = " (another machine)" if record.host and record.host != socket.gethostname() else ""
        self._processes.show_note(f"{place}{elsewhere}")
        self._num.text = f"{len(found)}"
        self._cpu.text = f"{sum(one.cpu_percent or 0.0 for one in found) / 100:.1f}"
        self._memory.text = size_text(sum(one.memory_bytes for one in found))
        self._free.text = size_text(psutil.virtual_memory().available)

    def _load(self, query: TableQuery) -> TableRows:
        self._found = () if self._record is None else self._usage.processes(self._record)
        rows = [_row(one) for one in self._found]
        return TableRows(rows[query.offset : query.offset + query.limit], len(rows))


def _row(one: ProcessUsage) -> TableRow:
    cpu = "…" if one.cpu_percent is None else f"{one.cpu_percent:.0f} %"
    command = TableCell(one.command, hint=one.command, look="clip mono")
    return TableRow(str(one.pid), [TableCell(f"{one.pid}", note=one.name), cpu, size_text(one.memory_bytes), command])


def _disk_facts(where: str, disk: DiskUsage | None) -> dict[str, str]:
    if disk is None:
        return {}
    more = "more than " if disk.is_partial else ""
    store = "" if disk.store_bytes is None else f" ({size_text(disk.store_bytes)})"
    found = {"store": f"{where}{store}", "folder": f"{disk.folder} ({more}{size_text(disk.folder_bytes)})"}
    return found if disk.free_bytes is None else {**found, "free on this disk": size_text(disk.free_bytes)}
