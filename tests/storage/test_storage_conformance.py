import pytest

from retiarii.testing.storage import StorageConformance


class TestSQLite(StorageConformance):
    @pytest.fixture
    def storage(self, tmp_path):
        return tmp_path / "missing" / "folder" / "store.db"


@pytest.mark.postgres
class TestPostgreSQL(StorageConformance):
    @pytest.fixture
    def storage(self, postgresql):
        return postgresql
