"""What the system page says of the disk."""

import pytest

from retiarii.dashboard._reading.system_usage import SystemUsage
from retiarii.storage import ExperimentRecord, open_store


@pytest.mark.parametrize(("pause_s", "later"), [(0, 300), (60, 100)])
def test_the_files_of_an_experiment_are_counted_again_after_a_pause(tmp_path, pause_s, later):
    with open_store(tmp_path / "store.db") as store:
        store.create_experiment(ExperimentRecord("first"))
        folder = store.directory("first") / "trials" / "0"
        folder.mkdir(parents=True)
        (folder / "weights.pt").write_bytes(bytes(100))
        usage = SystemUsage(disk_pause_s=pause_s)
        found = usage.disk(store, "first")
        assert (found.folder_bytes, found.is_partial, found.store_bytes > 0) == (100, False, True)
        (folder / "more.pt").write_bytes(bytes(200))
        if not pause_s:
            while usage.disk(store, "first") is found:
                pass
        assert usage.disk(store, "first").folder_bytes == later
