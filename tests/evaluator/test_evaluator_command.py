"""`CommandEvaluator`: programs of the user's as evaluations, in isolated trials and in this process."""

import json
import os
import shlex
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from retiarii import (
    CommandEvaluator,
    RetiariiExeConfig,
    RetiariiExperiment,
    SearchSpace,
    get_next_parameter,
    report_final_result,
)
from retiarii.errors import EvaluatorError, ExperimentError, RetiariiError
from retiarii.experiment import Callback
from retiarii.space import Categorical, Float
from retiarii.strategy import ASHA, GridSearch, Random
from retiarii.trial import TrialState

SPACE = SearchSpace([Categorical("name", ("plain", "it's $HOME", 'say "x"')), Categorical("width", (1, 2))])
PYTHON = shlex.quote(sys.executable)


def script(tmp_path, text):
    (tmp_path / "train.py").write_text(textwrap.dedent(text))
    return f"{PYTHON} train.py"


def search(tmp_path, command, *, space=SPACE, strategy=None, platform="local", callbacks=(), fails=False, **settings):
    """Run a command for architectures; return the trials."""
    evaluator = CommandEvaluator(command, folder=tmp_path)
    experiment = RetiariiExperiment(space, evaluator, strategy=strategy or GridSearch(), callbacks=list(callbacks))
    config = RetiariiExeConfig(platform, **{"max_trial_number": 2, "seed": 0, "progress": False, **settings})
    config.storage = tmp_path / "store.db"
    if fails:
        with pytest.raises(ExperimentError):
            experiment.run(config)
    else:
        experiment.run(config)
    return experiment.trials()


@pytest.mark.parametrize("platform", ["local", "in_process"])
def test_a_script_gets_its_parameters_and_reports(tmp_path, platform):
    command = script(
        tmp_path,
        """
        import retiarii
        parameters = {"width": 7, **retiarii.get_next_parameter()}
        for epoch in range(3):
            retiarii.report_intermediate_result({"default": epoch, "width": parameters["width"]})
        retiarii.report_final_result(10 * parameters["width"] + len(parameters["name"]))
        """,
    )
    trials = search(tmp_path, command, platform=platform)
    assert len(trials) == 2
    for trial in trials:
        width = trial.architecture["width"]
        assert trial.metrics == {"default": 10 * width + len(trial.architecture["name"])}
        assert trial.intermediates == tuple({"default": epoch, "width": width} for epoch in range(3))


def test_placeholders_are_values_of_labels_quoted_for_the_shell(tmp_path):
    command = f"printf '%s\\n' {{name}} {{width}} {{other}} ${{HOME:+home}}; {PYTHON} -m retiarii report {{width}}"
    trials = search(tmp_path, command, max_trial_number=6, trial_concurrency=2)
    for trial in trials:
        assert trial.metrics == {"default": trial.architecture["width"]}
        assert trial.output.splitlines() == [
            trial.architecture["name"],
            str(trial.architecture["width"]),
            "{other}",
            "home",
        ]


def test_choices_may_be_arguments(tmp_path):
    command = [
        sys.executable,
        "-c",
        "import sys, retiarii; retiarii.report_final_result(float(sys.argv[2]))",
        "--lr",
        Float("lr", 0.25, 0.5),
    ]
    trials = search(tmp_path, command, space=SearchSpace([]), strategy=Random())
    assert all(trial.metrics == {"default": trial.architecture["lr"]} for trial in trials)
    assert len({trial.architecture["lr"] for trial in trials}) == 2


def test_the_environment_says_which_trial_it_is(tmp_path):
    command = script(
        tmp_path,
        """
        import json, os, pathlib, retiarii
        folder = pathlib.Path(os.environ["RETIARII_OUTPUT_DIR"])
        assert folder.is_dir()
        assert retiarii.output_dir() == folder
        print(json.dumps({name: os.environ[name] for name in ("RETIARII_TRIAL_NUMBER", "RETIARII_SEED", "MINE")}))
        retiarii.report_final_result(1)
        """,
    )
    evaluator = CommandEvaluator(command, tmp_path, environment={"MINE": "yes"})
    experiment = RetiariiExperiment(SPACE, evaluator, strategy=GridSearch())
    config = RetiariiExeConfig(max_trial_number=2, seed=0, progress=False)
    config.storage = tmp_path / "store.db"
    experiment.run(config)
    told = [json.loads(trial.output) for trial in experiment.trials()]
    assert [item["RETIARII_TRIAL_NUMBER"] for item in told] == ["0", "1"]
    assert len({item["RETIARII_SEED"] for item in told}) == 2
    assert all(item["MINE"] == "yes" for item in told)


@pytest.mark.parametrize(
    ("platform", "command", "message"),
    [
        ("local", "exit 3", "ended with exit code 3"),
        ("in_process", "exit 3", "ended with exit code 3"),
        ("in_process", "kill -9 $$", "was killed by SIGKILL"),
        ("in_process", "true", "reported no final result"),
        ("in_process", ["/nonexistent/program"], "cannot be started"),
        ("in_process", f"{PYTHON} -m retiarii report nothing", "ended with exit code 1"),
        ("in_process", f"{PYTHON} -m retiarii report 1 && exit 4", "ended with exit code 4"),
    ],
)
def test_a_command_that_fails_is_a_failed_trial(tmp_path, platform, command, message):
    [trial] = search(tmp_path, command, platform=platform, max_trial_number=1, fails=True)
    assert trial.state is TrialState.FAILED
    assert message in trial.failure.message


def test_the_message_of_a_second_final_result_is_in_the_output(tmp_path):
    command = f"{PYTHON} -m retiarii report 1 && {PYTHON} -m retiarii report 2"
    [trial] = search(tmp_path, command, max_trial_number=1, fails=True)
    assert "two final results" in " ".join(trial.output.split())


def test_the_search_goes_on_after_a_command_that_fails(tmp_path):
    command = f"[ {{width}} = 1 ] && {PYTHON} -m retiarii report 1"
    states = [trial.state for trial in search(tmp_path, command, max_trial_number=6)]
    assert states.count(TrialState.COMPLETED) == states.count(TrialState.FAILED) == 3


def test_much_output_is_cut_and_the_trial_counts(tmp_path):
    command = f"head -c 100000000 /dev/zero | tr '\\0' 'x'; echo the end; {PYTHON} -m retiarii report 1"
    [trial] = search(tmp_path, command, max_trial_number=1)
    assert trial.state is TrialState.COMPLETED
    assert trial.output.endswith("the end\n")
    assert len(trial.output) < 1_000_000


class PrunesAtTwo(Callback):
    def should_prune(self, trial):
        return "enough" if len(trial.intermediates) == 2 else None


@pytest.mark.parametrize("platform", ["local", "in_process"])
def test_a_pruned_command_ends_at_that_report_and_may_tidy_up(tmp_path, platform):
    command = script(
        tmp_path,
        """
        import pathlib, retiarii
        try:
            for epoch in range(100):
                retiarii.report_intermediate_result(epoch)
        finally:
            pathlib.Path("tidied").write_text(str(epoch))
        """,
    )
    [trial] = search(tmp_path, command, platform=platform, max_trial_number=1, callbacks=[PrunesAtTwo()])
    assert (trial.state, trial.reason) == (TrialState.PRUNED, "enough")
    assert trial.metrics == {"default": 1.0}
    assert (tmp_path / "tidied").read_text() == "1"


@pytest.mark.parametrize("ending", ["sleep 600", f"{PYTHON} -m retiarii report 1"])
def test_nothing_that_a_command_started_outlives_its_trial(tmp_path, ending):
    command = f"sleep 600 & echo $! > child; (setsid sleep 600 & echo $! > detached); {ending}"
    [trial] = search(tmp_path, command, max_trial_number=1, max_trial_duration=2.0, fails=ending == "sleep 600")
    assert (trial.failure is None) == (ending != "sleep 600")
    for name in ("child", "detached"):
        pid = int((tmp_path / name).read_text())
        end = time.monotonic() + 10
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < end, f"{name} still runs"
            time.sleep(0.05)


def test_fidelities_are_placeholders_and_trials_go_on_from_the_files_of_their_parents(tmp_path):
    command = script(
        tmp_path,
        """
        import os, pathlib, sys, retiarii
        epochs, done = int(float(sys.argv[1])), 0
        if "RETIARII_PARENT_DIR" in os.environ:
            done = int((pathlib.Path(os.environ["RETIARII_PARENT_DIR"]) / "epochs").read_text())
        (pathlib.Path(os.environ["RETIARII_OUTPUT_DIR"]) / "epochs").write_text(str(epochs))
        print("trained", epochs - done)
        retiarii.report_final_result(epochs)
        """,
    )
    strategy = ASHA("epochs", 1, 4, reduction_factor=2)
    trials = search(tmp_path, f"{command} {{epochs}}", strategy=strategy, max_trial_number=9)
    trained = {(trial.fidelity["epochs"], trial.output.strip()) for trial in trials}
    assert {(1.0, "trained 1"), (2.0, "trained 1")} <= trained
    assert all(state is TrialState.COMPLETED for state in (trial.state for trial in trials))


def test_child_processes_and_threads_of_a_command_report(tmp_path):
    command = script(
        tmp_path,
        """
        import multiprocessing, retiarii, threading
        if __name__ == "__main__":
            threads = [threading.Thread(target=retiarii.report_intermediate_result, args=(1,)) for _ in range(20)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            report = retiarii.report_intermediate_result
            for method in ("fork", "spawn"):
                process = multiprocessing.get_context(method).Process(target=report, args=(2,))
                process.start()
                process.join()
                assert process.exitcode == 0
            retiarii.report_final_result(3)
        """,
    )
    [trial] = search(tmp_path, command, max_trial_number=1)
    assert sorted(item["default"] for item in trial.intermediates) == [1] * 20 + [2] * 2


def test_a_script_runs_on_its_own_with_its_own_values(tmp_path, monkeypatch):
    monkeypatch.delenv("RETIARII_TRIAL", raising=False)
    assert get_next_parameter() == {}
    command = script(
        tmp_path,
        "import retiarii; print({'lr': 0.1, **retiarii.get_next_parameter()}); retiarii.report_final_result(1)",
    )
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "{'lr': 0.1}\n"


def test_a_trial_that_has_ended_cannot_be_reached(tmp_path, monkeypatch):
    monkeypatch.setenv("RETIARII_TRIAL", str(tmp_path / "gone"))
    with pytest.raises(EvaluatorError, match="cannot be reached"):
        report_final_result(1.0)


@pytest.mark.parametrize("sent", [b"\n", b"[]\n", b"no JSON\n", b"{}\n", b"", b"x" * 2_000_000, b'{"final": "x"}\n'])
def test_requests_that_are_none_disturb_nothing(tmp_path, sent):
    (tmp_path / "sent").write_bytes(sent)
    command = script(
        tmp_path,
        """
        import os, socket, retiarii
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(os.environ["RETIARII_TRIAL"])
            try:
                connection.sendall(open("sent", "rb").read())
                connection.shutdown(socket.SHUT_WR)
                print(connection.recv(1000))
            except OSError as error:
                print(error)
        retiarii.report_final_result(1)
        """,
    )
    [trial] = search(tmp_path, command, platform="in_process", max_trial_number=1)
    assert trial.metrics == {"default": 1.0}


def test_a_program_that_does_not_wait_for_the_answer_has_reported(tmp_path):
    command = script(
        tmp_path,
        """
        import os, socket
        for request in (b'{"intermediate": 1}', b'{"final": 2}'):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(os.environ["RETIARII_TRIAL"])
                connection.sendall(request + b"\\n")
        """,
    )
    for trial in search(tmp_path, command, platform="in_process", max_trial_number=6):
        assert (trial.metrics, trial.intermediates) == ({"default": 2.0}, ({"default": 1.0},))


def test_wrong_arguments_are_refused(tmp_path):
    for command in ("", "  ", [], 3, None):
        with pytest.raises(EvaluatorError, match="expected a line"):
            CommandEvaluator(command)
    with pytest.raises(EvaluatorError, match="no directory"):
        CommandEvaluator("true", tmp_path / "missing")
    with pytest.raises(RetiariiError, match="expected an architecture"):
        CommandEvaluator("true").evaluate(object())


def test_the_socket_is_private_and_gone_afterwards(tmp_path):
    command = script(
        tmp_path,
        """
        import os, pathlib, stat, retiarii
        path = pathlib.Path(os.environ["RETIARII_TRIAL"])
        print(oct(stat.S_IMODE(path.parent.stat().st_mode)), path)
        retiarii.report_final_result(1)
        """,
    )
    [trial] = search(tmp_path, command, max_trial_number=1)
    mode, path = trial.output.split()
    assert mode == "0o700"
    assert not os.path.exists(os.path.dirname(path))
