import pytest


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """The tensors of these tests are so small that threads only get in each other's way."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
