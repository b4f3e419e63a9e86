"""Figures of one-shot searches."""

import math

import numpy as np

from retiarii.plot import entropy, losses, probabilities, probability_curves
from retiarii.storage import EpochRecord


def epochs(num_epochs: int = 3, num_labels: int = 2) -> list[EpochRecord]:
    def record(number: int) -> dict[str, object]:
        share = 0.5 + 0.4 * number / num_epochs
        labels = [f"op<b>{index}" for index in range(num_labels)]
        return {
            "probabilities": {label: {'"conv"': share, '"skip"': 1 - share} for label in labels},
            "entropy": dict.fromkeys(labels, -share * math.log(share) - (1 - share) * math.log(1 - share)),
            "max_entropy": dict.fromkeys(labels, math.log(2)),
        }

    return [EpochRecord(n, record(n), {"train_loss": 1 / (n + 1), "val_acc": 0.1 * n}) for n in range(num_epochs)]


def test_the_heat_map_has_a_row_for_each_candidate() -> None:
    made = probabilities(epochs(), ["op<b>1"])
    (heat,) = made.data
    np.testing.assert_allclose(heat.z[0], [0.5, 0.5 + 0.4 / 3, 0.5 + 0.8 / 3])
    assert heat.name == "op&lt;b&gt;1"  # Plotly reads HTML in texts
    assert made.layout.yaxis.ticktext == ("conv", "skip")


def test_many_labels_and_epochs_are_limited() -> None:
    many = probabilities(epochs(1000, 30), max_labels=12)
    assert len(many.data) == 12
    assert all(len(heat.x) <= 400 and heat.x[-1] == 999 for heat in many.data)


def test_curves_have_the_values_of_one_label() -> None:
    conv, skip = probability_curves(epochs(), "op<b>0", dark=True).data
    assert (conv.name, skip.name) == ("conv", "skip")
    np.testing.assert_allclose(np.add(conv.y, skip.y), 1.0)


def test_entropy_is_beside_its_maximum() -> None:
    mean, limit, of_label, limit_of_label = entropy(epochs(), ["op<b>0"]).data
    assert limit.y == (math.log(2), math.log(2))
    np.testing.assert_allclose(mean.y, of_label.y)
    assert limit_of_label.name == "maximum of op&lt;b&gt;0"


def test_losses_and_other_metrics_have_their_own_axis() -> None:
    loss, accuracy = losses(epochs()).data
    assert (loss.name, loss.yaxis, accuracy.name, accuracy.yaxis) == ("train_loss", None, "val_acc", "y2")


def test_without_epochs_a_sentence_is_shown() -> None:
    for made in (probabilities([]), probability_curves([]), entropy([]), losses([])):
        assert made.layout.annotations[0].text.startswith("No ")
