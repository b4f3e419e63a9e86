"""The dashboard with an experiment of 100,000 trials, in a real browser.

``python benchmarks/dashboard.py`` prints one JSON line: seconds until the server answers; milliseconds until the API
has answered a first, a sorted and a filtered page of trials, and from the navigation in a browser to the list of
experiments and to the rows of the table of trials (medians of five, and the first, cold one, by a server that has read
nothing yet); frames per second while the chart of trade-offs is dragged; and the memory of the server in MB while five
browsers have had all pages open, and half a minute after they were closed. Targets on two cores: a page in 1000 ms,
sorting and filtering in 300 ms, 300 MB, 30 frames.

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
from playwright.sync_api import Browser, Page, sync_playwright

from retiarii.space import Categorical, SearchSpace
from retiarii.storage import open_store

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "dashboard"))
from chromium_path import find_browser
from served_store import ServedStore
from written_experiments import write_experiment

SPACE = SearchSpace([Categorical(f"layer{number}/op", values=("conv", "pool", "skip")) for number in range(20)])
REPEATS = 5
NUM_BROWSERS = 5
PAGES = ("", "/trials", "/trials/7", "/space", "/architecture", "/tradeoffs", "/oneshot", "/system")
FORGOTTEN_S = 30  # the server forgets a page some seconds after it was closed
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


def fetch(address: str) -> None:
    """Read the whole answer to a request."""
    with urllib.request.urlopen(address) as answer:
        answer.read()


def requests_to(server: ServedStore) -> dict[str, object]:
    """Measure the pages of trials that the API answers."""
    trials = f"{server.address}/api/experiments/aa11/trials"
    return {
        "first_page_ms": timed(lambda: fetch(trials)),
        "sort_ms": timed(lambda: fetch(f"{trials}?sort=metric:default&descending=true")),
        "filter_ms": timed(lambda: fetch(f"{trials}?state=failed")),
    }


def pages_of(server: ServedStore, browser: Browser) -> dict[str, object]:
    """Measure what people see."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})

    def open_list() -> None:
        page.goto(server.address)
        page.get_by_role("link", name="search aa11").wait_for()

    def open_trials() -> None:
        page.goto(f"{server.address}/experiments/aa11/trials")
        page.locator("tbody tr").nth(49).wait_for()

    result: dict[str, object] = {"list_ms": timed(open_list), "trials_ms": timed(open_trials)}
    page.goto(f"{server.address}/experiments/aa11/tradeoffs")
    page.locator(".plotly .nsewdrag").first.wait_for(timeout=60_000)
    page.wait_for_timeout(2000)  # until all trials are read and drawn
    result["frames_per_s"] = round(frames_per_second(page))
    page.close()
    return result


def memory_with_browsers(server: ServedStore, browser: Browser) -> dict[str, object]:
    """Open all pages in several browsers, close them, and measure the memory of the server."""
    process = psutil.Process(server.pid)
    contexts = [browser.new_context() for _ in range(NUM_BROWSERS)]
    pages = [context.new_page() for context in contexts]
    for name in PAGES:
        for page in pages:
            page.goto(f"{server.address}/experiments/aa11{name}")
            page.wait_for_timeout(500)
    open_mb = round(process.memory_info().rss / 1e6)
    for context in contexts:
        context.close()
    time.sleep(FORGOTTEN_S)
    return {"server_mb": open_mb, "server_mb_closed": round(process.memory_info().rss / 1e6)}


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
        try:
            fetch(server.address + "/api/experiments")
            result["server_start_s"] = round(time.perf_counter() - began, 2)
            result |= requests_to(server)
        finally:
            server.end()
        server = ServedStore(store.url, Path(folder))  # which has read nothing yet
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
                result |= pages_of(server, browser)
                result |= memory_with_browsers(server, browser)
                browser.close()
        finally:
            server.end()
    result["python"] = platform.python_version()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
