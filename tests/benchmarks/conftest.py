import pytest
from published_records import write_folder

from retiarii.benchmarks.nasbench201 import Nb201Table


@pytest.fixture
def published(tmp_path):
    """A folder with three records and a file that is no record."""
    return write_folder(tmp_path)


@pytest.fixture
def table(published):
    """The table of these three records."""
    table = Nb201Table()
    table.build(published, partial=True)
    return table
