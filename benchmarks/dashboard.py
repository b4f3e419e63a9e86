"""The dashboard with an experiment of 100,000 trials, in a real browser.

``python benchmarks/dashboard.py`` prints one JSON line: seconds until the server answers, milliseconds from the
navigation to the list of experiments and until the API has answered a first, a sorted and a filtered page of trials
(medians of five, and the first, cold one), the memory of the server in MB, and frames per second while the chart of
trade-offs is dragged. Targets on two cores: a page in 1000 ms, sorting and filtering in 300 ms, 300 MB, 30 frames.

``--num-trials`` makes it smaller.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil
from playwright.sync_api import Page, sync_playwright

from retiarii.space import Categorical, SearchSpace
from retiarii.storage import open_store

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "dashboard"))
from chromium_path import find_browser
from served_store import ServedStore
from written_experiments import write_experiment

SPACE = SearchSpace([Categorical(f"layer{number}/op", values=("conv", "pool", "skip")) for number in range(20)])
REPEATS = 5
FRAMES = """() => new Promise(done => {
  let count = 0; const began = performance.now();
  const next = () => { count++; const now = performance.now();
    now - began < 3000 ? requestAnimationFrame(next) : done(count / (now - began) * 1000); };
  requestAnimationFrame(next);
})"""


def timed(action: object) -> dict[str, float]:
    """Return the milliseconds of the first call, and the median of five more."""
    durations = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        action()  # type: ignore[operator]
        durations.append(1000 * (time.perf_counter() - began))
    return {"cold": round(durations[0]), "warm": round(statistics.median(durations[1:]))}


def frames_per_second(page: Page) -> float:
    """Return the frames per second while the chart is dragged."""
    page.evaluate(f"window.measured = ({FRAMES})()")
    box = page.locator(".plotly .nsewdrag").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(60):
        page.mouse.move(x + 100 * (step % 2), y + step)
    page.mouse.up()
    return float(page.evaluate("window.measured"))


def main() -> None:
    """Measure, and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-trials", type=int, default=100_000)
    options = parser.parse_args()
    result: dict[str, object] = {"benchmark": "dashboard", "num_trials": options.num_trials}
    with tempfile.TemporaryDirectory() as folder, open_store(f"sqlite:///{folder}/retiarii.db") as store:
        write_experiment(store, "aa11", num_trials=options.num_trials, space=SPACE)
        began = time.perf_counter()
        server = ServedStore(store.url, Path(folder))
        trials = f"{server.address}/api/experiments/aa11/trials"

        def fetch(address: str) -> None:
            with urllib.request.urlopen(address) as answer:
                answer.read()

        try:
            fetch(server.address + "/api/experiments")
            result["server_start_s"] = round(time.perf_counter() - began, 2)
            result["first_page_ms"] = timed(lambda: fetch(trials))
            result["sort_ms"] = timed(lambda: fetch(f"{trials}?sort=metric:default&descending=true"))
            result["filter_ms"] = timed(lambda: fetch(f"{trials}?state=failed"))
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1280, "height": 800})

                def open_list() -> None:
                    page.goto(server.address)
                    page.get_by_role("link", name="search aa11").wait_for()

                result["page_ms"] = timed(open_list)
                page.goto(f"{server.address}/experiments/aa11/tradeoffs")
                page.locator(".plotly .nsewdrag").first.wait_for(timeout=60_000)
                result["frames_per_s"] = round(frames_per_second(page))
                browser.close()
            result["server_mb"] = round(psutil.Process(server.pid).memory_info().rss / 1e6)
        finally:
            server.end()
    result["python"] = platform.python_version()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
