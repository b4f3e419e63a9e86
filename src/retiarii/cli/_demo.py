"""``retiarii demo``: a real search on the handwritten digits that ship with scikit-learn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii.errors import MissingExtraError
from retiarii.evaluator import FunctionalEvaluator, report_intermediate_result
from retiarii.experiment.pytorch import RetiariiExeConfig, RetiariiExperiment
from retiarii.nn.pytorch import extract_space, fixed_arch, model_wrapper
from retiarii.profiler import ParamsProfiler
from retiarii.storage import ExperimentState
from retiarii.strategy import RegularizedEvolution
from retiarii.terminal import SafeConsole, joined, plain

if TYPE_CHECKING:
    from retiarii.trial import Trial

SPLITS = {"train": slice(0, 1000), "valid": slice(1000, 1400), "test": slice(1400, 1797)}
TOP_K = 5


@model_wrapper
class DigitsNet(nn.Module):
    """A small convolutional space: an operation, a nested choice, a width, a depth and a skip connection.

    Shapes: images ``[B, 1, 8, 8]``, logits ``[B, 10]``.
    """

    def __init__(self) -> None:
        super().__init__()
        width = nn.ValueChoice([8, 16, 24], label="width")
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.body = nn.LayerChoice(
            {
                "plain": nn.Conv2d(width, width, 3, padding=1),
                "separable": nn.Sequential(
                    nn.Conv2d(width, width, 5, padding=2, groups=width), nn.Conv2d(width, width, 1)
                ),
                "pooled": nn.Sequential(
                    nn.LayerChoice([nn.MaxPool2d(3, 1, 1), nn.AvgPool2d(3, 1, 1)], label="pool"),
                    nn.Conv2d(width, width, 1),
                ),
            },
            label="body",
        )
        self.skip = nn.InputChoice(n_candidates=2, n_chosen=None, reduction="sum", label="skip")
        self.head = nn.Sequential(nn.MaxPool2d(2), nn.Flatten())
        hidden = width * nn.ValueChoice([1, 2, 4], label="expansion")
        self.project = nn.Linear(width * 16, hidden)
        self.deep = nn.Repeat(lambda index: nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU()), (0, 2), label="depth")
        self.classify = nn.Linear(hidden, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Return class scores."""
        stem = F.relu(self.stem(images))
        body = F.relu(self.body(stem))
        joined = self.skip([stem, body])
        features = self.head(body if joined is None else joined)
        scores: Tensor = self.classify(self.deep(F.relu(self.project(features))))
        return scores


def load_digits() -> dict[str, tuple[Tensor, Tensor]]:
    """Return images ``[N, 1, 8, 8]`` in [0, 1] and labels ``[N]`` for training, validation and test.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits as load
    except ImportError as error:
        raise MissingExtraError(
            "The demo uses the digits of scikit-learn, which is not installed: pip install 'retiarii[demo]'"
        ) from error
    digits = load()
    # The file is ordered by writer; a fixed shuffle puts every writer into all three parts.
    order = torch.randperm(len(digits.target), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)[order] / 16
    labels = torch.tensor(digits.target)[order]
    return {name: (images[part], labels[part]) for name, part in SPLITS.items()}


def train(model: torch.nn.Module, data: dict[str, tuple[Tensor, Tensor]], epochs: int = 4) -> float:
    """Train on the training images and return the accuracy on the validation images, in [0, 1]."""
    images, labels = data["train"]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    value = 0.0
    for _ in range(epochs):
        model.train()
        for batch in torch.randperm(len(images)).split(50):  # type: ignore[no-untyped-call] # torch does not annotate it
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call] # torch does not annotate it
            optimizer.step()
        value = accuracy(model, data["valid"])
        report_intermediate_result(value)
    return value


@torch.no_grad()
def accuracy(model: torch.nn.Module, part: tuple[Tensor, Tensor]) -> float:
    """Return the share of correctly classified images."""
    model.eval()
    images, labels = part
    return float((model(images).argmax(1) == labels).double().mean())


def run_demo(storage: str | Path | None = None, max_trials: int = 30, console: Console | None = None) -> float | None:
    """Run a search, show the best architectures, and retrain the best one from its JSON.

    Args:
        storage: The store of the experiment; None for the default.
        max_trials: The number of architectures to evaluate.
        console: The console to print to.

    Returns:
        The accuracy of the retrained network on the test images; None if the search was stopped.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    console = console or SafeConsole()
    data = load_digits()
    model = DigitsNet()
    console.print(
        plain(
            "A search on 1,797 handwritten digits (8 x 8 pixels): 1,000 to train, 400 to choose, 397 to test.", "bold"
        )
    )
    console.print(plain(extract_space(model).describe()), soft_wrap=True)

    strategy = RegularizedEvolution(population_size=10, sample_size=4, dedup=True)
    experiment = RetiariiExperiment(model, FunctionalEvaluator(train, data=data), [], strategy)
    config = RetiariiExeConfig("local", experiment_name="demo", trial_concurrency=2, seed=1, storage=storage)
    config.max_trial_number = max_trials
    experiment.run(config)

    if experiment.state is ExperimentState.STOPPED:
        return None  # the display has shown how to continue

    console.print(_table(experiment.top_trials(TOP_K)))
    folder = experiment.directory
    path = folder / "best.json"
    path.write_text(json.dumps(experiment.export_top_models(formatter="dict")[0], indent=2))
    test = retrain(path, data)
    console.print(plain(f"The best architecture, built from {path} and trained for 12 epochs:"), soft_wrap=True)
    console.print(joined((f"{test:.1%}", "bold green"), f" of {len(data['test'][0])} held-out images are right."))
    console.print(plain(f"The experiment is stored in {experiment.where}."), soft_wrap=True)
    console.print(plain(f"Look at it again with: retiarii show {experiment.id}"))
    return test


def retrain(architecture: Path, data: dict[str, tuple[Tensor, Tensor]]) -> float:
    """Build the network that a JSON file describes, train it longer, and return its accuracy on the test images."""
    torch.manual_seed(0)
    with fixed_arch(architecture):
        model = DigitsNet()
    train(model, data, epochs=12)
    return accuracy(model, data["test"])


def _table(trials: list[Trial]) -> Table:
    params = ParamsProfiler(DigitsNet())
    table = Table(title="Best architectures, by accuracy on the validation images", title_justify="left")
    table.add_column("trial", justify="right")
    table.add_column("accuracy", justify="right")
    table.add_column("parameters", justify="right")
    table.add_column("architecture")
    for trial in trials:
        choices = ", ".join(f"{label}={value}" for label, value in trial.architecture.items())
        table.add_row(str(trial.number), f"{trial.metric:.1%}", f"{params(trial.architecture):,.0f}", choices)
    return table
