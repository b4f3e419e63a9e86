"""A command tells its search space to the program that asks for it, and the reason of its failure to its trial."""

import shlex
import sys

import pytest

from retiarii import CommandEvaluator
from retiarii.classic import ParameterSpace, generate_search_space
from retiarii.errors import ConfigError, EvaluatorError
from retiarii.evaluator import is_command_of_trial, search_space_of_command, tell_failure, tell_search_space

SPACE = {"op": {"_type": "layer_choice", "_value": ["a", "b"]}}


def python(tmp_path, text):
    (tmp_path / "script.py").write_text(f"import retiarii.evaluator as evaluator\n{text}\n")
    return f"{shlex.quote(sys.executable)} script.py"


def test_a_command_tells_its_search_space(tmp_path):
    command = python(
        tmp_path, f"assert evaluator.tell_search_space({SPACE!r})\nassert not evaluator.is_command_of_trial()"
    )
    assert search_space_of_command(command, tmp_path) == SPACE
    space = generate_search_space(command, tmp_path)
    assert isinstance(space, ParameterSpace)
    assert space.description == SPACE


def test_what_a_command_tells_is_checked(tmp_path):
    command = python(tmp_path, "evaluator.tell_search_space({'op': 3})")
    assert search_space_of_command(command, tmp_path) == {"op": 3}
    with pytest.raises(ConfigError, match="told no search space"):
        generate_search_space(command, tmp_path)
    with pytest.raises(EvaluatorError, match=r"within 0\.5 s and was killed"):
        search_space_of_command("sleep 60", tmp_path, timeout_s=0.5)


def test_a_command_tells_why_it_fails(tmp_path):
    command = python(
        tmp_path, "assert evaluator.is_command_of_trial()\nevaluator.tell_failure('no such layer')\nraise SystemExit(2)"
    )
    with pytest.raises(EvaluatorError, match=r"ended with exit code 2: .* no such layer "):
        CommandEvaluator(command, tmp_path).evaluate({})


def test_a_script_on_its_own_tells_nobody():
    assert not is_command_of_trial()
    assert tell_search_space(SPACE) is False
    assert tell_failure("nobody hears it") is None
