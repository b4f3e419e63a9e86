"""Real images for the evaluators, few of them."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import TensorDataset


@pytest.fixture(autouse=True)
def _one_thread():
    """Tiny models are faster on one thread, much faster where tests run side by side."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def digits():
    """Handwritten digits: 256 to train and 100 to validate, as two data sets."""
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32)[:, None] / 16
    labels = torch.tensor(data.target)
    return TensorDataset(images[:256], labels[:256]), TensorDataset(images[256:356], labels[256:356])


@pytest.fixture
def net():
    """A small classifier of digits, always with the same weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
