"""The commands on the page about the HTTP API work on a real server, and its table has every address."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from api_client import serving
from fastapi import FastAPI
from written_experiments import write_experiment

from retiarii.dashboard._api.api import create_api
from retiarii.dashboard._reading.reader import Reader
from retiarii.storage import ExperimentState, open_store

PAGE = Path(__file__).resolve().parents[2] / "docs" / "http-api.md"


@pytest.fixture
def app(tmp_path):
    with open_store(tmp_path / "store.db") as store:
        write_experiment(store, "aa11", state=ExperimentState.RUNNING)
        app = FastAPI()
        app.mount("/api", create_api(Reader(store)))
        with store.lock("aa11"):  # it runs, so it can be stopped, and is not resumed
            yield app


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_commands_of_the_page_work(app):
    blocks = re.findall(r"^```bash\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6
    with serving(app) as address:
        script = "\n".join(blocks).replace("http://127.0.0.1:8081", address)
        # after each answer a line, and the status of each
        script = script.replace("curl -s", "curl --write-out '\\n%{http_code}\\n' -s")
        run = subprocess.run(["sh", "-e", "-c", script], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    statuses = re.findall(r"^(\d{3})$", run.stdout, re.MULTILINE)
    assert statuses == [*["200"] * 12, "202", "409", "200", "200"], run.stdout
    assert '"is_running": true' in run.stdout  # from the stream of changes


def test_the_table_has_every_address(app):
    paths = app.routes[-1].app.openapi()["paths"]
    documented = re.findall(r"^\| `([A-Z]+ \S+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(f"{method.upper()} {path}" for path in paths for method in paths[path])
