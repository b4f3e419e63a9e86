"""``retiarii profile``."""

import json

import pytest

SCRIPT = """
import torch

import retiarii.nn.pytorch as nn

print("the script runs")

def small():
    width = nn.ValueChoice([8, 16], label="width")
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))

class Net(torch.nn.Module):
    def __init__(self, classes):
        super().__init__()

number = 3
model = small()
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "profiled_net.py").write_text(SCRIPT)
    (tmp_path / "best.json").write_text('{"width": 16}')
    return "profiled_net.py"


@pytest.mark.parametrize("name", ["profiled_net.py:small", "profiled_net.py:model", "profiled_net:small"])
def test_a_space_has_the_range_of_its_costs(run, script, name):
    out = run("profile", name, "--input", "1,4", "--samples", "20").out
    assert f"{name}: 1 label, 2 architectures" in out
    rows = {line.split()[0]: line for line in out.splitlines() if line}
    smallest, median, largest = rows["params"].split()[1:4]
    assert (smallest, largest) == ("58", "114")
    assert median in ("58", "114")
    assert rows["flops"].split()[1] == "96"
    assert "20 architectures" in rows["params"]
    assert rows["training_bytes"].split()[2] in ("B", "KiB")


def test_without_an_input_parameters_are_shown(run, script):
    out = run("profile", "profiled_net.py:small").out
    assert "params" in out
    assert "flops " not in out
    assert "Give --input" in out


def test_an_architecture_has_a_row_for_each_module(run, script):
    out = run("profile", "profiled_net.py:small", "--input", "1x4", "--architecture", "best.json", "--latency").out
    assert "Linear" in out
    assert "1x16" in out
    assert "latency" in out
    assert "params            114" in out


def test_json(run, script):
    found = run("profile", "profiled_net.py:small", "--input", "1,4", "--json")
    data = json.loads(found.out[found.out.index("{") :])
    assert data["costs"]["params"]["smallest"] == 58
    arguments = ["--input", "1,4", "--architecture", "best.json", "--json"]
    found = run("profile", "profiled_net.py:small", *arguments)
    data = json.loads(found.out[found.out.index("{") :])
    assert [row["name"] for row in data["modules"]] == ["", "0", "1", "2"]


def test_a_space_of_the_hub(run):
    assert "params" in run("profile", "hub:NasBench201", "--samples", "2").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["profiled_net.py"], "expected FILE.py:NAME"),
        (["missing.py:Net"], "There is no file 'missing.py'"),
        (["no_such_module:Net"], "There is no module 'no_such_module'"),
        (["profiled_net.py:smal"], "Did you mean 'small'?"),
        (["profiled_net.py:Net"], "cannot be called without arguments"),
        (["profiled_net.py:number"], "is 3, expected a model"),
        (["profiled_net.py:small", "--input", "1,a"], "--input is '1,a'"),
        (["profiled_net.py:small", "--architecture", "best.json"], "--architecture needs --input"),
    ],
)
def test_wrong_arguments_are_named(run, script, arguments, message):
    outcome = run("profile", *arguments)
    assert outcome.code == 1
    assert message in outcome.err.replace("\n", " ")
