import json
import os
import pty
import subprocess
import sys
import textwrap
import unicodedata

import pytest

from retiarii.space import Architecture, Categorical, SearchSpace
from retiarii.storage import EpochRecord, ExperimentRecord, ExperimentState, open_store
from retiarii.trial import Failure, FailureKind, Trial, TrialState

HOSTILE = "[/data/images/66]\x1b]0;owned\x07\x1b]52;c;cm0=\x07\x1b[2J\r\u202e"


def is_quiet(text):
    return not [char for char in text if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


@pytest.fixture
def hostile(tmp_path):
    """A store whose every text is hostile."""
    folder = tmp_path / "[/x]\x1b[2J"
    label = f"label {HOSTILE}"
    space = SearchSpace([Categorical(label, values=(HOSTILE, "b"), declared_at=HOSTILE)])
    failure = Failure(FailureKind.RAISED, f"ValueError: {HOSTILE}", f"Traceback\n{HOSTILE}")
    with open_store(folder / "s.db") as store:
        for experiment_id, state in (("aa11", ExperimentState.STOPPED), ("bb22", ExperimentState.RUNNING)):
            store.create_experiment(
                ExperimentRecord(
                    experiment_id, name=HOSTILE, state=state, space=space.to_json(), strategy=HOSTILE, message=HOSTILE
                )
            )
            architecture = Architecture({label: HOSTILE})
            done = {"state": TrialState.COMPLETED, "metrics": {"default": 0.5, HOSTILE: 1.0}}
            failed = {"state": TrialState.FAILED, "failure": failure, "ended": 3.0, "output": HOSTILE}
            store.write(
                experiment_id,
                trials=[
                    Trial(0, architecture, started=1.0, ended=2.0, device=HOSTILE, output=HOSTILE, **done),
                    Trial(1, architecture, started=1.0, device=HOSTILE, **failed),
                    Trial(2, architecture, started=1.0, device=HOSTILE),
                ],
            )
            shares = {"probabilities": {label: {f'"{HOSTILE[:17]}"': 1.0}}, "entropy": {label: 0.5}}
            store.write_epoch(experiment_id, EpochRecord(0, shares, {"default": 0.5, HOSTILE: 1.0}))
        yield str(folder / "s.db")


@pytest.mark.parametrize(
    "command",
    [
        ["list"],
        ["list", "--json"],
        ["show", "aa11"],
        ["show", "bb22"],
        ["show", "aa11", "--json"],
        ["show", "aa11", "--trial", "0"],
        ["show", "aa11", "--trial", "1"],
        ["show", "aa11", "--trial", "1", "--json"],
        ["export", "aa11"],
        ["export", "aa11", "--json"],
        ["export", "aa11", "-o", "{}.json"],
        ["resume", "aa11"],
        ["stop", "aa11"],
        ["doctor"],
        ["delete", "aa11", "-y"],
        ["show", HOSTILE],
        ["show", "aa11", "--trial", HOSTILE],
        [HOSTILE],
        ["show", "aa11", HOSTILE],
        ["export", "aa11", "--format", HOSTILE],
    ],
    ids=lambda command: " ".join(command)[:20].encode("unicode_escape").decode(),
)
def test_no_command_obeys_or_chokes_on_text(run, hostile, command):
    words = [word.format(hostile) for word in command]
    outcome = run("--storage", hostile, *words)
    assert outcome.code in (0, 1, 2)
    assert is_quiet(outcome.out + outcome.err)
    assert outcome.out + outcome.err


@pytest.mark.parametrize("command", [["list"], ["show", "aa11"], ["export", "aa11"], ["export", "aa11", "--json"]])
def test_a_terminal_without_unicode_gets_escapes(tmp_path, command):
    space = SearchSpace([Categorical("größe", values=("中", "b"))])
    with open_store(tmp_path / "s.db") as store:
        store.create_experiment(ExperimentRecord("aa11", name="größe 中", space=space.to_json()))
        done = {"state": TrialState.COMPLETED, "metrics": {"default": 0.5}, "finish_order": 0}
        store.write("aa11", trials=[Trial(0, Architecture({"größe": "中"}), started=1.0, ended=2.0, **done)])
    ascii_only = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = [sys.executable, "-m", "retiarii", "--storage", str(tmp_path / "s.db"), *command]
    outcome = subprocess.run(words, capture_output=True, env={**os.environ, **ascii_only}, check=False)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.isascii()
    if command[0] == "export":
        assert "größe" in str(json.loads(outcome.stdout))


SCRIPT = """
    import retiarii.nn.pytorch as nn
    from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment, strategy

    HOSTILE = "[/data/images/66]\\x1b]0;owned\\x07\\x1b]52;c;cm0=\\x07\\x1b[2J\\r\\u202e"

    def fail(model):
        if model.out_features == 2:
            raise ValueError(HOSTILE)
        return 1.0

    model = nn.Linear(1, nn.ValueChoice([1, 2], label=HOSTILE))
    config = RetiariiExeConfig(ENGINE, experiment_name=HOSTILE, storage="[/s]\\x1b[2J.db", max_trial_number=2)
    config.progress = True
    experiment = RetiariiExperiment(model, FunctionalEvaluator(fail), [], strategy.GridSearch())
    experiment.run(config)
    print("ended", experiment.state.value, len(experiment.top_trials()))
"""


@pytest.mark.parametrize("engine", ["in_process", pytest.param("local", marks=pytest.mark.slow)])
def test_a_search_on_a_terminal_survives_hostile_text(tmp_path, engine):
    script = tmp_path / "search.py"
    script.write_text(textwrap.dedent(SCRIPT).replace("ENGINE", repr(engine)))
    main_end, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, script], cwd=tmp_path, stdin=terminal, stdout=terminal, stderr=terminal, env={**os.environ}
    )
    os.close(terminal)
    seen = read_all(main_end)
    assert process.wait() == 0, seen
    assert "ended done 1" in seen
    assert "[/data/images/66]" in seen
    for sequence in ("\x1b]0;", "\x1b]52;", "\x1b[2J", "\u202e"):
        assert sequence not in seen


def read_all(descriptor):
    chunks = []
    try:
        while chunk := os.read(descriptor, 65536):
            chunks.append(chunk)
    except OSError:  # all of the other end is closed
        pass
    os.close(descriptor)
    return b"".join(chunks).decode()
