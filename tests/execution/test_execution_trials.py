"""The surroundings of training code in an isolated trial: streams, threads, signals, memory."""

import ctypes
import multiprocessing
import os
import signal
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from retiarii.errors import EvaluatorError
from retiarii.evaluator import (
    Evaluator,
    FunctionalEvaluator,
    TrialContext,
    report_final_result,
    report_intermediate_result,
    run_evaluation,
)
from retiarii.execution import NasTask, TemplateExecutor, TrialJob, TrialStarted
from retiarii.nn.pytorch.engine import PythonEngine
from retiarii.space import Architecture
from retiarii.testing.execution import ending, eventually, listen, reports, watch
from retiarii.trial import TrialFiles, TrialState

NUM_TRIALS = 30


def call(job, report):
    return globals()[job.architecture["function"]](job, report)


def train_with_workers(job, report):
    data = TensorDataset(torch.arange(64.0).reshape(64, 1), torch.arange(64.0))
    loader = DataLoader(data, batch_size=8, num_workers=2, persistent_workers=True)
    total = sum(float(y.sum()) for _ in range(2) for _, y in loader)
    return {"default": total}


def train(job, report):
    torch.set_num_threads(job.architecture["threads"])
    torch.manual_seed(0)
    features = torch.randn(512, 64)
    target = features.sum(dim=1, keepdim=True)
    model = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(20):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(features), target)
        loss.backward()
        optimizer.step()
        report({"default": loss.item()})
    return {"default": loss.item()}


def tell_descriptors(job, report):
    names = [name for name in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{name}")]
    opened = {int(name): os.readlink(f"/proc/self/fd/{name}") for name in names}
    sys.stdout.write("\n".join(f"{number} -> {target}" for number, target in opened.items()))
    return {"default": float(len(opened))}


def tell_environment(job, report):
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "GLIBC_TUNABLES", "CUDA_VISIBLE_DEVICES", "MINE"):
        sys.stdout.write(f"{name} {os.environ.get(name)}\n")
    sys.stdout.write(f"threads {torch.get_num_threads()} argv {sys.argv} cwd {os.getcwd()}\n")
    sys.stdout.write(f"SIGINT ignored {signal.getsignal(signal.SIGINT) is signal.SIG_IGN}\n")
    return {"default": 1.0}


def tell_template(job, report):
    return {"default": float(os.getppid())}


def fork_with_warnings_as_errors(job, report):
    warnings.simplefilter("error")
    process = multiprocessing.get_context("fork").Process(target=print, args=("from below",))
    process.start()
    process.join()
    return {"default": float(process.exitcode)}


def report_without_end(job, report):
    for step in range(job.architecture["times"]):
        report({"default": float(step), "filler" * 200: 0.0})
        if step == job.architecture.get("tell_at"):
            Path(job.architecture["path"]).touch()
    return {"default": 1.0}


def report_too_much(job, report):
    report({"default": 1.0, **{f"metric {number}": 0.0 for number in range(100_000)}})
    return {"default": 1.0}


class ReportsItsItems(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        report_intermediate_result(float(index))
        return float(index)


def report_in_a_data_loader(job, report):
    def evaluate(model):
        report_intermediate_result(0.5)
        try:
            list(DataLoader(ReportsItsItems(), num_workers=2))
        except EvaluatorError as error:
            sys.stdout.write(str(error))
        return 1.0

    return run_evaluation(FunctionalEvaluator(evaluate), None, TrialContext(on_report=report))


def report_the_final_result_in_a_child(job, report):
    def evaluate(model):
        process = multiprocessing.get_context("fork").Process(target=report_final_result, args=(3.0,))
        process.start()
        process.join()
        return float(process.exitcode)

    return run_evaluation(FunctionalEvaluator(evaluate), None, TrialContext(on_report=report))


def close_everything_and_take_the_number(job, report):
    (channel,) = [number for number in range(3, 64) if os.path.exists(f"/proc/self/fd/{number}")]
    os.closerange(3, 64)
    with open(job.architecture["path"], "wb", buffering=0) as file:
        os.dup2(file.fileno(), channel)
        for step in range(3_000):  # more than a pipe holds
            report({"default": float(step)})
            file.write(b".")
    return {"default": 1.0}


def return_too_much(job, report):
    return {"default": 1.0, "x" * (2 << 20): 0.0}


def clear_the_environment(job, report):
    class Clears(Evaluator):
        def evaluate(self, model):
            os.environ.clear()
            return 1.0

    task = NasTask(PythonEngine(torch.nn.Linear(1, 1)), Clears(), TrialFiles(Path(tempfile.mkdtemp())))
    return task(TrialJob(0, Architecture({}), seed=0), report)


class OnlyWrites:
    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        return self._stream.write(text)


def replace_the_streams(job, report):
    sys.stdout, sys.stderr = OnlyWrites(sys.stdout), None
    sys.stdout.write("written\n")
    return {"default": 1.0}


def fork_in_c(job, report):
    """Have a fork that Python does not know of report, leave or come back with another result."""
    pid = ctypes.PyDLL(None).fork()
    if pid == 0:
        if job.architecture["how"] == "report":
            report({"default": 98.0})
        elif job.architecture["how"] == "leave":
            sys.exit(1)
        return {"default": 99.0}
    return {"default": float(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))}


def fork_in_an_evaluation(job, report):
    def evaluate(model):
        pid = os.fork()
        if pid == 0:
            sys.exit()
        os.waitpid(pid, 0)
        return float(os.path.isdir(os.environ["RETIARII_OUTPUT_DIR"]))

    files = TrialFiles(Path(job.architecture["path"]))
    return NasTask(PythonEngine(torch.nn.Linear(1, 1)), FunctionalEvaluator(evaluate), files)(
        TrialJob(0, Architecture({}), seed=0), report
    )


def multiply(job, report):
    return {"default": float((np.ones((300, 300)) @ np.ones((300, 300))).sum())}


def job(number, function, **values):
    return TrialJob(number, Architecture({"function": function, **values}), seed=number)


@pytest.fixture(scope="module")
def executor():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINE", "kept")
        patch.setenv("OMP_NUM_THREADS", "7")
        patch.delenv("GLIBC_TUNABLES", raising=False)
        with TemplateExecutor(call, slots=2, threads_per_trial=2) as executor:
            yield executor


def run(executor, *args, **values):
    executor.submit(job(0, *args, **values))
    ended = ending(watch(executor, [0]))
    assert ended.state is TrialState.COMPLETED, ended.failure
    return ended


def test_data_loaders_with_workers_work(executor):
    assert run(executor, "train_with_workers").metrics == {"default": 2.0 * sum(range(64))}


@pytest.mark.parametrize("threads", [1, 2])
def test_training_works_on_any_number_of_threads(executor, threads):
    executor.submit(job(0, "train", threads=threads))
    executor.submit(job(1, "train", threads=threads))
    events = watch(executor, [0, 1])
    losses = [metrics["default"] for metrics in reports(events, 0)]
    assert len(losses) == 20
    assert losses[-1] < losses[0] / 2
    assert ending(events, 0).metrics == ending(events, 1).metrics == {"default": losses[-1]}


def test_a_report_in_the_worker_of_a_data_loader_is_an_error_there(executor):
    executor.submit(job(0, "report_in_a_data_loader"))
    events = watch(executor, [0])
    assert reports(events) == [{"default": 0.5}]
    assert "Only the trial's own process reports" in ending(events).output


def test_a_final_result_that_a_child_reports_is_an_error_there(executor):
    ended = run(executor, "report_the_final_result_in_a_child")
    assert ended.metrics == {"default": 1.0}
    assert "report_final_result was called in process" in ended.output


def test_a_trial_may_clear_its_environment(executor):
    assert run(executor, "clear_the_environment").metrics == {"default": 1.0}


def test_a_trial_may_replace_its_streams(executor):
    ended = run(executor, "replace_the_streams")
    assert ended.metrics == {"default": 1.0}
    assert ended.output == "written\n"


@pytest.mark.parametrize(("how", "code"), [("return", 0.0), ("leave", 1.0), ("report", 1.0)])
def test_a_fork_that_python_does_not_know_of_does_not_speak_for_its_trial(executor, how, code):
    executor.submit(job(0, "fork_in_c", how=how))
    events = watch(executor, [0])
    assert ending(events).metrics == {"default": code}
    assert reports(events) == []


def test_a_fork_that_comes_back_leaves_the_folder_of_its_trial_alone(executor, tmp_path):
    assert run(executor, "fork_in_an_evaluation", path=str(tmp_path)).metrics == {"default": 1.0}


def test_numpy_works_in_a_fork(executor):
    assert run(executor, "multiply").metrics == {"default": 300.0**3}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_trial_inherits_no_descriptor_of_ours(executor, tmp_path):
    with open(tmp_path / "experiment.lock", "w") as lock:
        os.set_inheritable(lock.fileno(), True)  # even then
        executor.submit(job(0, "tell_descriptors"))
        executor.submit(job(1, "tell_descriptors"))
        events = watch(executor, [0, 1])
    for number in (0, 1):
        ended = ending(events, number)
        assert ended.metrics["default"] == 4, ended.output  # the standard ones, and the pipe of the events
        assert "lock" not in ended.output


def test_a_trial_has_the_users_surroundings_and_its_share_of_threads(executor):
    lines = run(executor, "tell_environment").output.splitlines()
    assert lines[:5] == [
        "OMP_NUM_THREADS 2",
        "MKL_NUM_THREADS 2",
        "GLIBC_TUNABLES None",
        "CUDA_VISIBLE_DEVICES ",
        "MINE kept",
    ]
    assert lines[5] == f"threads 2 argv {sys.argv} cwd {os.getcwd()}"
    assert lines[6] == "SIGINT ignored True"


def test_trials_may_fork_without_a_warning(executor):
    ended = run(executor, "fork_with_warnings_as_errors")
    assert ended.metrics == {"default": 0.0}
    assert ended.output == "from below\n"


def test_the_template_has_one_thread_and_leaks_nothing(executor):
    template = psutil.Process(int(run(executor, "tell_template").metrics["default"]))
    num_descriptors = template.num_fds()
    for number in range(NUM_TRIALS):
        executor.submit(job(number, "multiply"))
    watch(executor, range(NUM_TRIALS))
    assert (template.num_threads(), template.num_fds()) == (1, num_descriptors)
    assert template.children() == []


def test_a_flood_of_reports_waits_for_a_slow_listener_and_arrives_whole(executor, tmp_path):
    executor.submit(job(0, "report_without_end", times=2_000, tell_at=800, path=str(tmp_path / "many")))
    events = listen(executor, 60)
    assert eventually((tmp_path / "many").exists)  # about as many as are kept for a listener that does not listen
    executor.submit(job(1, "train", threads=1))
    events += watch(executor, [0, 1])
    steps = [metrics["default"] for metrics in reports(events, 0)]
    assert steps == [float(step) for step in range(2_000)]


def test_a_report_of_any_size_is_a_bad_metric(executor):
    executor.submit(job(0, "report_too_much"))
    failure = ending(watch(executor, [0])).failure
    assert failure.kind.value == "bad_metric"
    assert "100001 metrics" in failure.message


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_results_arrive_although_the_trial_closed_the_pipe_and_took_its_number(start_method, tmp_path):
    with TemplateExecutor(call, start_method=start_method) as executor:
        executor.submit(job(0, "close_everything_and_take_the_number", path=str(tmp_path / "own")))
        events = watch(executor, [0])
    assert ending(events).metrics == {"default": 1.0}
    steps = [metrics["default"] for metrics in reports(events)]
    assert steps == [float(step) for step in range(3_000)]
    assert (tmp_path / "own").read_bytes() == b"." * 3_000


def test_a_final_result_of_any_size_is_a_bad_metric(executor):
    executor.submit(job(0, "return_too_much"))
    failure = ending(watch(executor, [0])).failure
    assert failure.kind.value == "bad_metric"
    assert "2048 KiB" in failure.message


def test_a_cancelled_flood_ends_although_nobody_listens(executor):
    executor.submit(job(0, "report_without_end", times=10**9))
    (started,) = [event for event in executor.poll(60) if isinstance(event, TrialStarted)]
    executor.cancel(0)
    psutil.wait_procs([psutil.Process(started.pid)], timeout=60)
    assert ending(watch(executor, [0])).failure.kind.value == "cancelled"
