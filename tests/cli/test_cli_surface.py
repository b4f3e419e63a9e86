import subprocess
import sys

import pytest
import typer.main

import retiarii
from retiarii.cli._app import app

SS_GEN = [
    "--file/-f",
    "--timeout",
    "--trial-command/-t/--trial_command",
    "--trial-dir/-d/--trial_dir",
]
COMMANDS = {
    "benchmarks": [],
    "create": ["--config/-c", "--storage"],
    "delete": ["--storage", "--yes/-y", "ID"],
    "dashboard": ["--host", "--open", "--parent", "--port", "--storage"],
    "demo": ["--storage"],
    "doctor": ["--json", "--storage", "STORE"],
    "export": [
        "--format",
        "--input-shape",
        "--json",
        "--optimize-mode",
        "--output/-o",
        "--storage",
        "--top-k",
        "--trial",
        "ID",
    ],
    "list": ["--json", "--storage"],
    "profile": ["--architecture", "--input", "--json", "--latency", "--samples", "MODEL"],
    "report": ["--intermediate", "METRIC"],
    "resume": ["--max-experiment-duration", "--max-trial-number", "--storage", "ID"],
    "run": ["--over-nni", "SCRIPT", "[ARGS]..."],
    "show": ["--json", "--storage", "--top-k", "--trial", "--watch/-w", "ID"],
    "ss-gen": SS_GEN,
    "ss_gen": SS_GEN,
    "stop": ["--storage", "ID"],
    "view": ["--host", "--open", "--port", "--storage", "ID"],
}


def test_commands_and_options_are_as_announced():
    group = typer.main.get_command(app)
    found = {
        name: sorted(
            "/".join(parameter.opts) if parameter.param_type_name == "option" else parameter.metavar
            for parameter in command.params
        )
        for name, command in group.commands.items()
    }
    assert found == COMMANDS
    assert sorted("/".join(parameter.opts) for parameter in group.params) == ["--debug", "--storage", "--version"]


def test_every_command_has_help(run):
    assert run("--help").code == 0
    for name in COMMANDS:
        outcome = run(name, "-h")
        assert outcome.code == 0
        assert f"retiarii {name}" in outcome.out
        assert "Raises" not in outcome.out


def test_the_version_is_printed(run):
    assert run("--version").out == f"retiarii {retiarii.__version__}\n"


def test_wrong_usage_has_its_own_exit_code(run):
    outcome = run("shw", "x")
    assert outcome.code == 2
    assert "shw" in outcome.err
    assert run("show").code == 2
    assert run("export", "x", "--top-k", "0").code == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("export x --top-k 0", "Invalid value for '--top-k': '0', expected a whole number, 1 or more."),
        ("show x --top-k many", "Invalid value for '--top-k': 'many', expected a whole number, 0 or more."),
        ("show x --trial -1", "Invalid value for '--trial': '-1', expected a whole number, 0 or more."),
        ("resume x --max-trial-number 1.5", "'1.5', expected a whole number, 1 or more."),
        ("export x --format jpg", "Invalid value for '--format': 'jpg' is not one of 'json', 'code'"),
        ("export x --optimize-mode max", "'max' is not one of 'maximize', 'minimize'"),
    ],
)
def test_wrong_values_of_options_are_named_in_our_words(run, words, message):
    outcome = run(*words.split())
    assert outcome.code == 2
    assert message in outcome.err
    assert "Value error" not in outcome.err
    assert "Input should" not in outcome.err


def test_looking_does_not_import_torch(store):
    code = """
import sys
from retiarii.cli import main
for arguments in (["list"], ["show", "aa11"], ["export", "aa11"], ["delete", "aa11", "-y"]):
    try:
        main(arguments)
    except SystemExit as end:
        assert not end.code, arguments
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
