"""``retiarii ss-gen`` with commands that behave well and badly, in real processes."""

import json
import shlex
import subprocess
import sys
import textwrap

import pytest

PYTHON = shlex.quote(sys.executable)
SPACE = {
    "conv": {"_type": "layer_choice", "_value": ["conv3x3", "conv5x5"]},
    "skip": {"_type": "input_choice", "_value": {"candidates": ["in1", "in2"], "n_chosen": None}},
}
TELL = f"""
from retiarii.evaluator import tell_search_space
def tell(space={SPACE!r}):
    if tell_search_space(space):
        raise SystemExit
"""


@pytest.fixture
def ss_gen(tmp_path):
    """Run ``retiarii ss-gen`` in a folder of a project whose script has the given text."""
    (tmp_path / "code").mkdir()

    def run(script, *options, name="ss-gen", command=f"{PYTHON} train.py"):
        (tmp_path / "code" / "train.py").write_text(TELL + textwrap.dedent(script))
        words = [sys.executable, "-m", "retiarii", name, "-t", command, "-d", "code", *options]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    return run


def test_the_space_is_written_and_the_command_ends_there(ss_gen, tmp_path):
    done = ss_gen("""
        import retiarii, pathlib
        assert retiarii.get_next_parameter() == {}
        retiarii.report_intermediate_result(0.5)
        tell()
        pathlib.Path("trained").touch()
    """)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "search_space.json").read_text()) == SPACE
    assert "Written to search_space.json" in done.stdout
    assert "conv5x5" in done.stdout
    assert not (tmp_path / "code" / "trained").exists()


def test_the_spelling_of_nnictl_is_understood(ss_gen, tmp_path):
    done = ss_gen("tell()", "--file", "mine.json", name="ss_gen")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "mine.json").read_text()) == SPACE
    words = ["ss_gen", "--trial_command", f"{PYTHON} train.py", "--trial_dir", "code", "-f", "other.json"]
    subprocess.run([sys.executable, "-m", "retiarii", *words], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "other.json").exists()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("raise ValueError('bug')", "ended with exit code 1 before it called"),
        ("import os; os.kill(os.getpid(), 9)", "exit code 137 before it called"),
        ("print('no choices here')", "ended and did not call get_and_apply_next_architecture(model)"),
        ("import time; time.sleep(60)", "within 2 s and was killed"),
        ("try: tell()\nexcept SystemExit: tell()", "twice"),
        ("tell({})", "told no search space"),
        ("tell({'x': 3})", "'_type' and '_value'"),
        ("tell({'x': {'_type': 'layer_choice', '_value': [1]}})", "expected names"),
    ],
)
def test_commands_that_tell_no_space_are_named(ss_gen, tmp_path, script, message):
    done = ss_gen(script, *(["--timeout", "2"] if "sleep" in script else []))
    assert done.returncode == 1
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr.partition("Error: The command")[2]
    assert not (tmp_path / "search_space.json").exists()


SEND = """
import os, socket
connection = socket.socket(socket.AF_UNIX)
connection.connect(os.environ["RETIARII_SEARCH_SPACE"])
connection.sendall({data})
connection.recv(1000)
"""


@pytest.mark.parametrize(
    "data",
    [
        "b'not json' + bytes([10])",
        "b'[' * 100_000 + bytes([10])",
        "b'{\"a\":' * 100_000 + bytes([10])",
        "b'x' * 10_000_000 + bytes([10])",
        "b'{\"parameters\": null}' + bytes([10])",
        "b'{\"space\": [1]}' + bytes([10])",
        "b'{\"space\": ' + b'{\"a\": ' * 300 + b'1' + b'}' * 301 + bytes([10])",
    ],
)
def test_what_is_sent_is_read_as_json_only(ss_gen, tmp_path, data):
    done = ss_gen(
        f"try:\n    {SEND.format(data=data).strip().replace(chr(10), chr(10) + '    ')}\nexcept OSError: pass"
    )
    assert done.returncode == 1
    assert "Error: The command" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "search_space.json").exists()


def test_what_the_command_leaves_behind_is_killed(ss_gen, tmp_path):
    done = ss_gen("tell()", command=f"(sleep 1000 & echo $! > pid; {PYTHON} train.py; sleep 1000)")
    assert done.returncode == 0, done.stderr
    pid = (tmp_path / "code" / "pid").read_text().strip()
    assert subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True).stdout.strip() in ("", "Z")


def test_hyper_parameters_in_the_file_are_not_lost(ss_gen, tmp_path):
    file = tmp_path / "search_space.json"
    file.write_text(json.dumps({"old": {"_type": "layer_choice", "_value": ["a"]}}))
    assert ss_gen("tell()").returncode == 0
    assert json.loads(file.read_text()) == SPACE
    mixed = json.dumps({**SPACE, "lr": {"_type": "uniform", "_value": [0, 1]}})
    file.write_text(mixed)
    done = ss_gen("tell()")
    assert done.returncode == 1
    assert "would be lost: 'lr'" in " ".join(done.stderr.split())
    assert file.read_text() == mixed
    file.write_text("notes")
    assert "is not overwritten" in " ".join(ss_gen("tell()").stderr.split())
    assert file.read_text() == "notes"


def test_folders_that_do_not_exist_are_named_first(ss_gen, tmp_path):
    done = ss_gen("open('ran', 'w')", "--file", "missing/space.json")
    assert done.returncode == 1
    assert "'missing/space.json', whose folder does not exist" in done.stderr
    assert not (tmp_path / "code" / "ran").exists()
    assert "no directory" in ss_gen("tell()", "-d", "missing").stderr
