"""Memory of networks, by hand and compared with a real training step."""

import pytest
import torch
from torch import nn

from retiarii.profiler import inference_bytes, measured_training_bytes, saved_bytes_of_parts, training_bytes

FLOAT = 4


def mlp():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def convolutions():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )


def transformer():
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def test_an_mlp_keeps_the_hidden_activations_once():
    """The output of ReLU is both what ReLU keeps and the input of the next layer; the input of the network is ours."""
    assert saved_bytes_of_parts(mlp(), torch.zeros(3, 4)) == {"1": 3 * 8 * FLOAT}


def test_batch_norm_keeps_its_input_and_statistics():
    network = nn.Sequential(nn.Conv1d(2, 4, 1), nn.BatchNorm1d(4))
    assert saved_bytes_of_parts(network, torch.zeros(5, 2, 6)) == {"1": (5 * 4 * 6 + 2 * 4) * FLOAT}


def test_inference_needs_the_largest_two_neighbours():
    """Hidden values before and after ReLU are alive together; before and after them, less is."""
    assert inference_bytes(mlp(), torch.zeros(3, 4)) == 2 * 3 * 8 * FLOAT


def test_tensors_in_place_or_viewed_need_no_memory():
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Flatten(), nn.Unflatten(1, (2, 4)))
    assert inference_bytes(network, torch.zeros(3, 4)) == 3 * 8 * FLOAT


@pytest.mark.parametrize(
    ("make", "shape"), [(mlp, (3, 4)), (mlp, (500, 4)), (convolutions, (4, 3, 16, 16)), (transformer, (4, 12, 16))]
)
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_the_estimated_peak_of_training_is_within_5_percent_of_a_real_step(make, shape, optimizer):
    network, example = make(), torch.zeros(*shape)
    estimate = training_bytes(network, example, optimizer=optimizer)
    real = measured_training_bytes(network, example, optimizer=lambda params: optimizer(params, lr=0.01))
    assert estimate == pytest.approx(real, rel=0.05)


def test_weights_dominate_where_the_batch_is_small():
    network = nn.Linear(300, 300)
    parameters = (300 * 300 + 300) * FLOAT
    found = training_bytes(network, torch.zeros(1, 300))
    assert found == 4 * parameters + 2 * 300 * 300 * FLOAT  # weights, gradients, two moments; temporary tensors
    assert training_bytes(network, torch.zeros(1, 300), optimizer=1) < found
    plain = training_bytes(network, torch.zeros(1, 300), optimizer=torch.optim.SGD)
    assert plain == pytest.approx(2 * parameters, 0.02)


def test_networks_and_generators_stay_as_they_were():
    network, example = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout()), torch.zeros(3, 4)
    network[1].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    inference_bytes(network, example)
    saved_bytes_of_parts(network, example)
    training_bytes(network, example)
    measured_training_bytes(network, example)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [module.training for module in network] == [True, False, True]
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in network.parameters())
