"""Files of trained supernets that are damaged, foreign or hostile: one clear error, and no code of theirs is run."""

from __future__ import annotations

import io
import os
import pickle
import random
import resource
import zipfile

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii import RetiariiExeConfig, RetiariiExperiment, strategy
from retiarii._tensor_file import seal
from retiarii.cli import main
from retiarii.errors import ExperimentError, StorageError
from retiarii.evaluator import Evaluator
from retiarii.oneshot import SearchLoop
from retiarii.storage import ExperimentState


class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.op = nn.LayerChoice({"linear": nn.Linear(width, width), "tanh": nn.Tanh()}, label="op")
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x):
        return self.norm(self.op(x))


class Plain(Evaluator):
    def train_supernet(self, search, training):
        batches = list(torch.randn(4, 4, 3, generator=torch.Generator().manual_seed(0)))
        training.listener.on_start(0, 1)
        optimizer = torch.optim.SGD(search.supernet.parameters(), lr=0.01)
        loop = SearchLoop(search, lambda network, x: (network(x) - 1).square().mean(), optimizer)
        loop.run(batches, batches, 1, on_record=lambda record: training.listener.on_epoch(record, {"default": 0.5}))

    def evaluate_subnet(self, model):
        return 0.5

    def evaluate(self, model):
        return 0.5


def run(searching=None):
    torch.manual_seed(0)
    searching = strategy.DARTS(arc_learning_rate=0.5) if searching is None else searching
    experiment = RetiariiExperiment(Net(), Plain(), [], searching)
    experiment.run(RetiariiExeConfig(seed=0, progress=False, max_trial_number=1))
    return experiment


@pytest.fixture
def experiment():
    return run()


@pytest.fixture
def path(experiment):
    return experiment.directory / "supernet" / "supernet.pt"


def refused(experiment, pattern):
    """Check that the file is refused by one error that names it and says what to do."""
    with pytest.raises(ExperimentError, match=pattern) as error:
        experiment.supernet()
    message = str(error.value)
    assert str(experiment.directory / "supernet" / "supernet.pt") in message
    assert "Delete it and resume the experiment" in message
    return error.value


def test_a_whole_file_is_read_by_us_and_by_torch(experiment, path):
    weights = experiment.supernet().module.state_dict()
    content = torch.load(path, weights_only=True)
    assert all(torch.equal(content["weights"][name], tensor) for name, tensor in weights.items())
    assert path.stat().st_mode & 0o077 == 0
    assert not path.with_name("supernet.pt.tmp").exists()


def test_no_bit_can_change_unnoticed(experiment, path):
    whole, rng = path.read_bytes(), random.Random(0)
    for _ in range(150):
        at = rng.randrange(8 * len(whole))
        damaged = bytearray(whole)
        damaged[at // 8] ^= 1 << at % 8
        path.write_bytes(bytes(damaged))
        refused(experiment, "is damaged|is incomplete")


def test_no_end_can_be_missing_unnoticed(experiment, path):
    whole = path.read_bytes()
    for size in (0, 1, 21, 22, len(whole) // 2, len(whole) - 71, len(whole) - 1):
        path.write_bytes(whole[:size])
        refused(experiment, "is incomplete")
    path.write_bytes(whole + b"\0")
    refused(experiment, "is incomplete")


class RunsCode:
    def __init__(self, flag):
        self.flag = flag

    def __reduce__(self):
        return os.mkdir, (str(self.flag),)


def test_code_in_a_file_is_never_run(experiment, path, tmp_path):
    flag = tmp_path / "was_run"
    content = torch.load(path, weights_only=True)
    for kind in ("zip", "pickle", "inside"):
        _write_code(kind, path, flag, content)
        refused(experiment, "was not written by retiarii")
        seal(path)
        refused(experiment, "was not written by retiarii" if kind == "pickle" else "is no file of tensors")
    assert not flag.exists()


def _write_code(kind, path, flag, content):
    if kind == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(RunsCode(flag), protocol=2))
            archive.writestr("archive/version", "3\n")
        path.write_bytes(buffer.getvalue())
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(RunsCode(flag)))
    else:
        torch.save({**content, "search": RunsCode(flag)}, path)


FOREIGN = {
    "a tensor": lambda content: torch.zeros(3),
    "a list": lambda content: [1, 2],
    "nothing": lambda content: None,
    "other keys": lambda content: {"state_dict": content["weights"]},
    "a state dict": lambda content: content["weights"],
    "no weights": lambda content: {**content, "weights": {}},
    "weights that are numbers": lambda content: {**content, "weights": dict.fromkeys(content["weights"], 1.0)},
    "weights that are a list": lambda content: {**content, "weights": [1]},
    "a search that is a list": lambda content: {**content, "search": [1]},
    "a search without its keys": lambda content: {**content, "search": {}},
    "an epoch that is text": lambda content: {**content, "search": {**content["search"], "epoch": "first"}},
    "paths that are numbers": lambda content: {**content, "search": {**content["search"], "sampled": [1]}},
    "parameters of other labels": lambda content: {
        **content, "search": {**content["search"], "parameters": {"other": torch.zeros(2)}}
    },
    "parameters that are numbers": lambda content: {
        **content, "search": {**content["search"], "parameters": {"op": 1}}
    },
    "a generator that is a float": lambda content: {
        **content, "search": {**content["search"], "generator": torch.zeros(2)}
    },
    "an optimizer of others": lambda content: {
        **content, "search": {**content["search"], "optimizer": {"state": {}, "param_groups": []}}
    },
}  # fmt: skip


def test_what_does_not_belong_to_the_model_and_the_strategy_is_refused(experiment, path):
    content = torch.load(path, weights_only=True)
    for foreign in FOREIGN.values():
        torch.save(foreign(content), path)
        refused(experiment, "was not written by retiarii")
        seal(path)
        refused(experiment, r"does not belong to this model and strategy \(\w+: ")


def test_the_file_of_another_strategy_or_model_is_refused(experiment, path):
    whole = path.read_bytes()
    for other in (strategy.ENAS(), strategy.RandomOneShot()):
        path.write_bytes((run(other).directory / "supernet" / "supernet.pt").read_bytes())
        refused(experiment, "does not belong to this model and strategy")
    path.write_bytes(whole)
    again = RetiariiExperiment.load(experiment.id)
    again.base_model = Net(width=5)
    refused(again, r"does not belong.*size mismatch|does not belong.*Error\(s\) in loading")


def test_what_is_no_regular_file_is_refused(experiment, path):
    path.unlink()
    path.mkdir()
    refused(experiment, "is not a regular file")
    path.rmdir()
    os.mkfifo(path)  # reading it would wait for ever
    refused(experiment, "is not a regular file")


def test_the_way_out_leads_out(experiment, path, capsys):
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ExperimentError, match="Delete it and resume"):
        RetiariiExperiment.resume(experiment.id)
    with pytest.raises(SystemExit) as ended:
        main(["resume", experiment.id])
    assert ended.value.code == 1
    printed = capsys.readouterr().err
    assert "is incomplete" in printed
    assert "Traceback" not in printed
    path.unlink()
    assert RetiariiExperiment.resume(experiment.id).state is ExperimentState.DONE
    assert path.exists()


def test_a_full_disk_leaves_no_part_of_a_file(path):
    path.unlink()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    class Full(Plain):
        def train_supernet(self, search, training):
            super().train_supernet(search, training)
            search.supernet.module.register_buffer("large", torch.zeros(300_000))
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))

    full = RetiariiExperiment(Net(), Full(), [], strategy.DARTS(arc_learning_rate=0.5))
    try:
        with pytest.raises(StorageError, match=r"cannot be written to .*supernet\.pt.*Make room"):
            full.run(RetiariiExeConfig(seed=0, progress=False))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list((full.directory / "supernet").iterdir())
