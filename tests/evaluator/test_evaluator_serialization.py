"""Sending objects to another process, and the errors for objects that cannot be sent."""

from __future__ import annotations

import functools
import socket
import sqlite3
import subprocess
import sys
import textwrap
import threading

import pytest
import torch
from torch import nn

import retiarii.nn.pytorch as rnn
from retiarii.errors import SerializationError
from retiarii.evaluator import FunctionalEvaluator, dumps, loads, trace


class Holder:
    def __init__(self, **attributes):
        vars(self).update(attributes)

    def method(self):
        return self


def refusal(obj, name="evaluator"):
    with pytest.raises(SerializationError) as info:
        dumps(obj, name)
    return str(info.value)


def test_the_contract_example_names_path_type_and_fix(tmp_path):
    with (tmp_path / "log").open("w") as file:
        evaluator = FunctionalEvaluator(lambda model, logger: 0.0, logger=Holder(file=file))
        message = refusal(evaluator)
    assert message.startswith("evaluator.arguments['logger'].file (TextIOWrapper) cannot be sent")
    assert "Pass the file's path" in message


@pytest.mark.parametrize(
    ("make", "path", "hint"),
    [
        (lambda lock: {"a": [0, lock]}, "evaluator['a'][1]", "locks cannot be sent"),
        (lambda lock: Holder(inner=Holder(lock=lock)), "evaluator.inner.lock", "locks cannot be sent"),
        (lambda lock: lambda model: lock, "evaluator, variable 'lock'", "locks"),
        (lambda lock: lambda model, held=lock: held, "evaluator, default of 'held'", "locks"),
        (lambda lock: functools.partial(print, lock), "evaluator.args[0]", "locks"),
        (lambda lock: Holder(lock=lock).method, "evaluator.__self__.lock", "locks"),
        (lambda lock: trace(Holder)(lock=lock), "evaluator(lock)", "locks"),
        (lambda lock: trace(dict)([("a", lock)]), "evaluator['a']", "locks"),
    ],
)
def test_the_culprit_is_found_wherever_it_hides(make, path, hint):
    message = refusal(make(threading.Lock()))
    assert message.startswith(f"{path} (lock) cannot be sent to another process")
    assert hint in message


def test_every_kind_of_culprit_has_its_fix():
    connection = sqlite3.connect(":memory:")
    with socket.socket() as open_socket:
        assert "connect there" in refusal(Holder(socket=open_socket))
    assert "connect there" in refusal(Holder(db=connection))
    assert "a function that makes the generator" in refusal(Holder(items=(i for i in range(3))))
    assert "retiarii.trace(Class)" in refusal(Holder(frame=sys._getframe()))
    connection.close()


class Node:
    """Refers back to its parent, and refuses to be pickled in its own words."""

    def __init__(self, parent=None):
        self.parent = parent
        self.children = []

    def __reduce__(self):
        raise ValueError("I stay here")


def test_objects_that_refuse_are_culprits_themselves():
    message = refusal(Holder(node=Node()))
    assert message.startswith("evaluator.node (Node) cannot be sent")
    assert "I stay here" in message


def test_circles_do_not_mislead_the_search():
    first, second = Holder(), Holder()
    first.friend, second.friend = second, first
    first.lock = threading.Lock()
    assert refusal(second).startswith("evaluator.friend.lock (lock)")
    assert refusal(first).startswith("evaluator.lock (lock)")


def test_too_deep_nesting_says_so():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    try:
        assert "nested too deeply" in refusal(deep)
    finally:
        while deep:  # without recursion
            deep = deep.pop()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_tensor_on_a_gpu_must_be_moved_first():
    message = refusal(Holder(weights=torch.zeros(2, device="cuda")))
    assert message.startswith("evaluator.weights (Tensor)")
    assert ".cpu()" in message


def test_a_tensor_on_another_device_must_be_moved_first():
    message = refusal({"weights": torch.zeros(2, device="meta")})
    assert message.startswith("evaluator['weights'] (Tensor) cannot be sent to another process: it is a tensor on meta")
    assert ".cpu()" in message


def test_a_model_with_choices_travels_with_its_weights():
    net = rnn.Sequential(rnn.Conv2d(1, rnn.ValueChoice([4, 8], label="width"), 3), rnn.BatchNorm2d(4))
    with torch.no_grad():
        net[0].weight.fill_(0.5)
    copied = loads(dumps(net, "model"))
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), copied.parameters(), strict=True))
    assert rnn.extract_space(copied) == rnn.extract_space(net)


def test_functions_and_classes_of_functions_travel():
    factor = 3

    class Local(nn.Module):
        def forward(self, x):
            return x * factor

    assert loads(dumps(Local(), "model"))(2) == 6
    assert loads(dumps(lambda x: x + factor, "function"))(1) == 4


_SENDER = """
import sys
import torch
import retiarii.nn.pytorch as rnn
from retiarii.evaluator import Evaluator, FunctionalEvaluator, dumps, report_intermediate_result, trace

SCALE = 2.0

class Data(torch.utils.data.Dataset):
    def __init__(self, size): self.values = [SCALE * i for i in range(size)]
    def __len__(self): return len(self.values)
    def __getitem__(self, i): return self.values[i]

@trace
class Marked(Data):
    def __init__(self, size): super().__init__(size)

@trace
def load(size): return Data(size)

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 1)

class Own(Evaluator):
    def __init__(self, size): self.size = size
    def evaluate(self, model):
        report_intermediate_result(self.size)
        return helper(self.size)

def helper(x): return x * SCALE

def measure(model_cls, data, factor):
    assert isinstance(model_cls(), Net)
    return factor * sum(map(sum, data))

size = rnn.ValueChoice([3, 4], label="size")
evaluators = [
    FunctionalEvaluator(measure, data=[trace(Data)(size), Marked(size), load(size)], factor=lambda: 1 and 1.0 or 0),
    Own(size),
]
evaluators[0].arguments["factor"] = 1.0
sys.stdout.buffer.write(dumps((Net(), evaluators), "evaluator"))
"""

_RECEIVER = """
import sys
from retiarii.evaluator import TrialContext, loads, run_evaluation
model, evaluators = loads(sys.stdin.buffer.read())
for evaluator in evaluators:
    print(run_evaluation(evaluator.fix({"size": 4}), model, TrialContext(on_report=print))["default"])
"""


def python(code, data=b""):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_what_is_defined_in_main_arrives_in_another_process():
    lines = python(_RECEIVER, python(_SENDER)).decode().splitlines()
    assert lines == ["36.0", "{'default': 4.0}", "8.0"]  # 3 data sets of 0 + 2 + 4 + 6
