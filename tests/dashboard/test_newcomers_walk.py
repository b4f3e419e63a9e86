"""A newcomer's walk through the dashboard, with a real search that the docs' own words start."""

import json
import os
import re
import runpy
import subprocess
import sys

import pytest
import torch

SEARCH = """
import time

import torch
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii import RetiariiExeConfig, RetiariiExperiment, model_wrapper
from retiarii.strategy import Random


@model_wrapper
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = nn.ValueChoice([4, 8, 16, 32], label="width")
        self.stem = nn.Conv2d(1, width, nn.ValueChoice([3, 5], label="kernel"), padding="same")
        self.op = nn.LayerChoice([nn.Conv2d(width, width, 3, padding=1), nn.MaxPool2d(3, 1, 1)], label="op")
        self.classify = nn.Linear(width * 16, 10)

    def forward(self, x):
        return self.classify(F.max_pool2d(F.relu(self.op(F.relu(self.stem(x)))), 2).flatten(1))


def measure(model):
    time.sleep(0.3)
    return float(model(torch.ones(2, 1, 8, 8)).std())


config = RetiariiExeConfig("local", max_trial_number=200, seed=0, dummy_input=[1, 1, 8, 8])
RetiariiExperiment(Net(), measure, [], Random(dedup=False)).run(config, 0)
"""
PATIENCE_MS = 30_000


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Start a command as a user does in a terminal, with a page and a drawing: ``start("search.py")``."""
    monkeypatch.setenv("RETIARII_DASHBOARD", "on")
    monkeypatch.setenv("RETIARII_DRAWING", "on")
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(20)
        process.stdout.close()


TRIALS = """() => {
    const isTrials = stat => stat.querySelector("dt").textContent === "Trials"
    const shown = [...document.querySelectorAll(".stat")].find(isTrials)
    return shown ? Number(shown.querySelector("dd").textContent) : 0
}"""


def wait_for_trials(page, more_than=0):
    """Wait until the page shows that more trials than that have finished, without a reload; return their number."""
    page.wait_for_function(f"number => ({TRIALS})() > number", arg=more_than, timeout=PATIENCE_MS)
    return page.evaluate(TRIALS)


@pytest.mark.timeout(180)
def test_a_newcomer_watches_a_search_uses_its_best_network_stops_and_resumes_it(start, page, tmp_path):
    (tmp_path / "search.py").write_text(SEARCH)
    search = start("search.py")
    printed = next(line for line in search.stdout if "Dashboard: " in line)
    address, experiment_id = re.search(r"(http://127\.0\.0\.1:\d+/experiments/(\w+))", printed).groups()

    page.goto(address)
    wait_for_trials(page, more_than=wait_for_trials(page))

    page.get_by_role("link", name="Architecture", exact=True).first.click()
    page.locator(".nn-on[data-box]").first.wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download JSON").click()
    chosen = json.loads(download.value.path().read_text())
    assert set(chosen) == {"width", "kernel", "op"}
    page.get_by_role("button", name="Write the code").click()
    with page.expect_download(timeout=60_000) as download:
        page.get_by_role("button", name="Download code").click(timeout=60_000)
    download.value.save_as(tmp_path / "network.py")
    network = runpy.run_path(str(tmp_path / "network.py"))["Net"]()
    assert network.stem.out_channels == chosen["width"]
    assert network(torch.ones(2, 1, 8, 8)).shape == (2, 10)

    page.get_by_role("link", name="Overview").click()
    page.get_by_role("button", name="Stop…").click()
    page.get_by_role("button", name="Stop it").click()
    page.get_by_role("button", name="Resume", exact=True).wait_for(timeout=PATIENCE_MS)
    command = page.get_by_role("region", name="command that resumes it").text_content()
    assert command.split()[:3] == ["retiarii", "resume", experiment_id]
    before = wait_for_trials(page)
    resumed = start("-m", "retiarii", "resume", experiment_id)
    wait_for_trials(page, more_than=before)
    assert resumed.poll() is None
