"""How much a dashboard with followers and requests slows the search that it shows.

A search of small CPU-bound trials, each in a process of its own, runs alone and beside a dashboard in turns. The
dashboard serves the store of the search to clients that follow its changes, and to one that sends requests at a steady
rate: experiments, pages of trials, single trials, results. The clients run at the lowest priority, because they stand
for other machines.

- ``alone_ms``, ``beside_ms``: wall time per trial, after the first one ended and the clients have started; medians over
  the repeats.
- ``slowdown``: the median over the repeats of the loaded run's time over that of the run before it, less 1.
- ``cpu``: the share of one processor that the dashboard takes; unlike the times it does not depend on other programs.
- ``requests``, ``latency_ms``: how many were answered, and the median and the 95th percentile of their times.

Prints one JSON line.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import psutil

from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment
from retiarii.space import Categorical, SearchSpace
from retiarii.storage import open_store
from retiarii.strategy import Random

START_S = 1.0  # what the clients take to start
PATHS = (
    "",
    "/trials?sort=metric:default&descending=true&limit=50",
    "/best-so-far",
    "/trials/1",
    "/trials?state=completed&choice=op0=2&limit=20",
    "/failures",
)


def work(architecture: Any) -> float:
    """Compute for about 30 ms."""
    end, value = time.process_time() + 0.03, 0.0
    while time.process_time() < end:
        value = sum(number * number for number in range(1000))
    return float(architecture["op0"]) + value * 0


def search(store: str, trials: int) -> None:
    """Run the search, and print when its trials ended."""
    space = SearchSpace([Categorical(f"op{place}", values=tuple(range(8))) for place in range(8)])
    experiment = RetiariiExperiment(space, FunctionalEvaluator(work), [], Random())
    config = RetiariiExeConfig(trial_concurrency=1, max_trial_number=trials, seed=0)
    config.storage, config.progress = store, False
    experiment.run(config)
    ends = sorted(trial.ended for trial in experiment.trials() if trial.ended is not None)
    print(json.dumps(ends))


class Clients:
    """Followers and one sender of requests.

    Args:
        experiment: The address of the experiment, without a slash at the end.
        followers: How many follow the changes.
        rate: How many requests are sent in a second.
    """

    def __init__(self, experiment: str, followers: int, rate: float) -> None:
        self.latencies_ms: list[float] = []
        self.num_changes = self.num_errors = 0
        self._address = urlsplit(experiment)
        self._rate, self._is_over = rate, False
        self._sender = threading.Thread(target=self._send)
        for _ in range(followers):
            threading.Thread(target=self._follow, daemon=True).start()
        self._sender.start()

    def end(self) -> None:
        """Let the sender end; the followers end with this process."""
        self._is_over = True
        self._sender.join()

    def _follow(self) -> None:
        api, _, experiment_id = self._address.geturl().rpartition("/experiments/")
        with urlopen(f"{api}/events?experiment={experiment_id}") as stream:
            for line in stream:
                self.num_changes += line.startswith(b"event: change")

    def _send(self) -> None:
        connection = http.client.HTTPConnection(self._address.netloc)
        due, place = time.perf_counter(), 0
        while not self._is_over:
            time.sleep(max(due - time.perf_counter(), 0))
            due, place = due + 1 / self._rate, place + 1
            start = time.perf_counter()
            connection.request("GET", f"{self._address.path}{PATHS[place % len(PATHS)]}")
            answer = connection.getresponse()
            answer.read()
            self.num_errors += answer.status != 200
            self.latencies_ms.append(1000 * (time.perf_counter() - start))


def run_clients(experiment: str, followers: int, rate: float) -> None:
    """Send requests at the lowest priority until standard input ends, and print what came of it."""
    os.nice(19)
    clients = Clients(experiment, followers, rate)
    sys.stdin.read()
    clients.end()
    found = {"latencies_ms": clients.latencies_ms, "changes": clients.num_changes, "errors": clients.num_errors}
    print(json.dumps(found))


@contextmanager
def dashboard(store: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a dashboard in a process of its own; yields it and its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "retiarii", "dashboard", "--port", str(port), "--storage", store]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        yield process, port
    finally:
        process.kill()
        process.wait()


def started(*words: str) -> subprocess.Popen[str]:
    """Start this script in a process of its own."""
    command = [sys.executable, __file__, *words]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def experiment_in(store: str, process: subprocess.Popen[str]) -> str:
    """Return the id of the experiment of a search once it has trials."""
    while process.poll() is None:
        time.sleep(0.1)
        if Path(store).exists():
            with open_store(store) as opened:
                for experiment_id in opened.update_times():
                    if opened.progress(experiment_id).last_trial > 0:
                        return experiment_id
    raise SystemExit("The search ended before it was seen; run more trials.")


def time_of(process: subprocess.Popen[str], since: float = 0.0) -> float:
    """Return the milliseconds per trial of a search from a moment on, after its end."""
    ends = [end for end in json.loads(process.communicate()[0].splitlines()[-1]) if end > since]
    return 1000 * (ends[-1] - ends[0]) / (len(ends) - 1)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=800)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--followers", type=int, default=5)
    parser.add_argument("--rate", type=float, default=50, help="requests a second")
    parser.add_argument("--search", help=argparse.SUPPRESS)
    parser.add_argument("--clients", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.search:
        search(options.search, options.trials)
    elif options.clients:
        run_clients(options.clients, options.followers, options.rate)
    else:
        print(json.dumps(measured(options)))


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of all repeats."""
    trials = ("--trials", str(options.trials))
    load = ("--followers", str(options.followers), "--rate", str(options.rate))
    alone, beside, found, cpus = [], [], [], []
    for _ in range(options.repeats):
        with tempfile.TemporaryDirectory() as folder:
            alone.append(time_of(started("--search", f"{folder}/alone.db", *trials)))
            store = f"{folder}/beside.db"
            process = started("--search", store, *trials)
            experiment_id = experiment_in(store, process)
            with dashboard(store) as (served, port):
                clients = started("--clients", f"http://127.0.0.1:{port}/api/experiments/{experiment_id}", *load)
                began, cpu = time.time(), psutil.Process(served.pid).cpu_times()
                beside.append(time_of(process, since=began + START_S))
                used = psutil.Process(served.pid).cpu_times()
                cpus.append((used.user + used.system - cpu.user - cpu.system) / (time.time() - began))
                found.append(json.loads(clients.communicate()[0]))
    latencies = sorted(latency for one in found for latency in one["latencies_ms"])
    slowdowns = [b / a - 1 for a, b in zip(alone, beside, strict=True)]
    return {
        "benchmark": "dashboard_load",
        "alone_ms": round(statistics.median(alone), 2),
        "beside_ms": round(statistics.median(beside), 2),
        "slowdown": round(statistics.median(slowdowns), 4),
        "slowdowns": [round(one, 4) for one in slowdowns],
        "cpu": round(statistics.median(cpus), 3),
        "requests": len(latencies),
        "errors": sum(one["errors"] for one in found),
        "changes": sum(one["changes"] for one in found),
        "latency_ms": [round(latencies[int(len(latencies) * share)], 1) for share in (0.5, 0.95)],
        **{name: getattr(options, name) for name in ("trials", "repeats", "followers", "rate")},
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
