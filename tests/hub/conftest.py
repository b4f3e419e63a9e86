import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread_for_small_networks():
    """The tensors of these tests are so small that threads only get in each other's way."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
