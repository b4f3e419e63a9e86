"""Take screenshots of all pages of the dashboard, light and dark, at 1280 and 390 pixels, for the docs.

``make screenshots`` takes about two minutes: real searches with fixed seeds fill a store (two objectives with failed
and pruned trials, a one-shot search, one that is killed), Chromium opens every page, and the pictures go to
``docs/images/dashboard`` as PNG with a palette. ``--keep FOLDER`` keeps the store, and uses it again.
"""

import argparse
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from retiarii.storage import ExperimentRecord, Store, open_store

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "dashboard"))
from chromium_path import find_browser  # noqa: E402 - beside the tests, which open the same browser
from served_store import ServedStore  # noqa: E402

PICTURES = ROOT / "docs" / "images" / "dashboard"
WIDTHS = {1280: 900, 390: 844}
NUM_COLOURS = 128
SETTLED_MS = 2500  # charts and drawings are laid out after a page has loaded

MODEL = """
import sys, time
import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F
import retiarii.nn.pytorch as nn
from retiarii import RetiariiExeConfig, RetiariiExperiment
from retiarii.strategy import DARTS, NSGA2, MedianStop, Random

digits = load_digits()
images, labels = torch.tensor(digits.images).float().unsqueeze(1) / 16, torch.tensor(digits.target)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = nn.ValueChoice([4, 8, 16, 32], label="width")
        self.stem = nn.Conv2d(1, width, nn.ValueChoice([3, 5], label="stem/kernel"), padding="same")
        self.cells = nn.Repeat(
            lambda i: nn.LayerChoice(
                {"conv3x3": nn.Conv2d(width, width, 3, padding=1), "max_pool": nn.MaxPool2d(3, 1, 1),
                 "separable": nn.Sequential(nn.Conv2d(width, width, 3, padding=1, groups=width),
                                            nn.Conv2d(width, width, 1)),
                 "skip": nn.Identity()}, label=f"cell{i}/op"), (1, 3), label="depth")
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        return self.head(F.relu(self.cells(F.relu(self.stem(x)))).amax((2, 3)))

def train(model, context):
    if context.number % 11 == 6:
        raise ValueError("the learning rate 0.3 makes the loss infinite")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(6):
        for batch in torch.randperm(1000).split(50):
            optimizer.zero_grad()
            F.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            accuracy = (model(images[1000:]).argmax(1) == labels[1000:]).float().mean().item()
        print(f"accuracy {accuracy:.3f}")
        context.report({"accuracy": accuracy})
    return {"accuracy": accuracy}

config = RetiariiExeConfig("local", trial_concurrency=2, seed=0)
"""
TWO_OBJECTIVES = """
config.experiment_name, config.max_trial_number = "digits: accuracy and size", 40
config.objectives = {"accuracy": "maximize", "params": "minimize"}
search = MedianStop(NSGA2(population_size=12), warmup_steps=1, min_trials=5)
RetiariiExperiment(Net(), train, [], search).run(config)
"""
KILLED = """
config.experiment_name, config.max_trial_number = "digits: killed", 500
config.objectives = {"accuracy": "maximize"}
RetiariiExperiment(Net(), train, [], Random()).run(config)
"""
ONE_SHOT = """
import retiarii.evaluator.pytorch.lightning as pl
from torch.utils.data import TensorDataset

config.experiment_name = "digits: one-shot"
first, second = TensorDataset(images[:900], labels[:900]), TensorDataset(images[900:], labels[900:])
evaluator = pl.Classification(
    learning_rate=0.01, max_epochs=12, train_dataloaders=pl.DataLoader(first, batch_size=50, shuffle=True),
    val_dataloaders=pl.DataLoader(second, batch_size=50, shuffle=True), enable_progress_bar=False)
RetiariiExperiment(Net(), evaluator, [], DARTS(arc_learning_rate=0.02)).run(config)
"""


def fill(store: Store, environment: dict[str, str]) -> None:
    """Run the searches whose pages are shown."""
    for part in (TWO_OBJECTIVES, ONE_SHOT):
        subprocess.run([sys.executable, "-c", MODEL + part], env=environment, check=True, stdout=subprocess.DEVNULL)
    killed = subprocess.Popen([sys.executable, "-c", MODEL + KILLED], env=environment, stdout=subprocess.DEVNULL)
    while not any(num_trials(store, record) > 8 for record in store.list_experiments() if "killed" in record.name):
        time.sleep(0.2)
    killed.send_signal(signal.SIGKILL)
    killed.wait()


def num_trials(store: Store, record: ExperimentRecord) -> int:
    """Return the number of trials of an experiment."""
    return sum(store.count_trials(record.id).values())


def addresses(store: Store) -> dict[str, str]:
    """Return the name of each picture and the address of its page."""
    found = {record.name.partition(": ")[2]: f"/experiments/{record.id}" for record in store.list_experiments()}
    main, one_shot = found["accuracy and size"], found["one-shot"]
    (main_id,) = [record.id for record in store.list_experiments() if f"/experiments/{record.id}" == main]
    best = store.best_trials(main_id, 2)
    numbers = ",".join(str(trial.number) for trial in best)
    return {
        "experiments": "/",
        "experiment": main,
        "killed": found["killed"],
        "trials": f"{main}/trials",
        "trial": f"{main}/trials/{best[0].number}",
        "compare": f"{main}/compare?trials={numbers}",
        "space": f"{main}/space",
        "architecture": f"{main}/architecture",
        "tradeoffs": f"{main}/tradeoffs",
        "oneshot": f"{one_shot}/oneshot",
        "system": f"{main}/system",
    }


def take(browser: Browser, server: str, pages: dict[str, str]) -> None:
    """Take the pictures; pages that the dashboard does not have are named and left out."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for width, height in WIDTHS.items():
        for theme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
            )
            page = context.new_page()
            for name, address in pages.items():
                answer = page.goto(server + address)
                if answer is None or not answer.ok:
                    print(f"no page {address}")
                    continue
                page.wait_for_timeout(SETTLED_MS)
                picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
                small = picture.convert("RGB").quantize(NUM_COLOURS)
                small.save(PICTURES / f"{name}_{theme}_{width}.png", optimize=True)
            context.close()


def main() -> None:
    """Fill a store, serve it, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="the folder of the store")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = options.keep or Path(temporary)
        home.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "RETIARII_HOME": str(home), "OMP_NUM_THREADS": "1"}
        with open_store(f"sqlite:///{home / 'retiarii.db'}") as store:
            if not store.list_experiments():
                fill(store, environment)
            server = ServedStore(store.url, Path(temporary))
            try:
                with sync_playwright() as playwright:
                    browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
                    take(browser, server.address, addresses(store))
                    browser.close()
            finally:
                server.end()
    size = sum(path.stat().st_size for path in PICTURES.glob("*.png"))
    print(f"{len(list(PICTURES.glob('*.png')))} pictures, {size / 1e6:.1f} MB, in {PICTURES.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
