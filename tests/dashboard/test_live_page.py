"""How an open page follows an experiment that takes a while to read."""

import asyncio
from threading import Event

from nicegui import run

from retiarii.dashboard._pages import live
from retiarii.dashboard._reading.reader import Reader
from retiarii.storage import ExperimentRecord, open_store
from retiarii.testing.records import completed


class Banners(dict):
    """What a page shows above its content, by topic; stands for the frame of a page."""

    def show_banner(self, topic, message, kind="warning"):
        self[topic] = message

    def show_experiment(self, name, state):
        self["header"] = name, state


def test_a_page_says_how_many_trials_are_read_and_goes_on_by_itself_until_all_are(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "_PAUSE_S", 0.01)
    goes_on, banners, lengths = Event(), Banners(), []

    async def open_page(store, reader):
        async def refresh():
            trials = await run.io_bound(reader.trials_now, "first", patience_s=0.01)
            lengths.append(len(trials.table))
            return trials

        page = live._LivePage(reader, "first", refresh, banners)
        tasks = [asyncio.create_task(page.listen()), asyncio.create_task(page.run())]
        while len(lengths) < 2:  # with nothing written in between
            await asyncio.sleep(0.01)
        reading = banners["trials"]
        goes_on.set()
        while banners["trials"]:
            await asyncio.sleep(0.01)
        last = len(lengths)
        reader.changes.close()
        await asyncio.wait_for(asyncio.gather(*tasks), 20)
        return reading, last

    with open_store(tmp_path / "store.db") as store:
        store.create_experiment(ExperimentRecord("first"))
        store.write("first", trials=[completed(number) for number in range(6000)])
        light_trials = store.light_trials

        def slowly(experiment_id, **wanted):
            for rows in light_trials(experiment_id, **wanted):
                yield rows
                assert goes_on.wait(60)

        monkeypatch.setattr(store, "light_trials", slowly)
        reading, last = asyncio.run(asyncio.wait_for(open_page(store, Reader(store)), 40))
    assert reading == "Reading trials: 5,000 of 6,000 so far. This page shows more in a moment."
    assert (lengths[0], lengths[-1], len(lengths)) == (5000, 6000, last)
