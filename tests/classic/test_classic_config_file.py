"""`read_config` and ``retiarii create``: configuration files of NNI, line by line."""

import json
import shlex
import subprocess
import sys
import textwrap

import pytest

from retiarii.classic import CommandConfig, TunerStrategy, read_config
from retiarii.errors import ConfigError
from retiarii.storage import open_store
from retiarii.strategy import ASHA, GridSearch, MedianStop, PolicyBasedRL, Random, RegularizedEvolution

PYTHON = shlex.quote(sys.executable)
SPACE = {"lr": {"_type": "uniform", "_value": [0.1, 0.2]}, "op": {"_type": "layer_choice", "_value": ["a", "b"]}}

VERSION_1 = """
authorName: default
experimentName: example_mnist
trialConcurrency: 2
maxExecDuration: 1h
maxTrialNum: 4
trainingServicePlatform: local
searchSpacePath: search_space.json
useAnnotation: false
tuner:
  builtinTunerName: Evolution
  classArgs:
    optimize_mode: minimize
    population_size: 3
trial:
  command: PYTHON train.py
  codeDir: .
  gpuNum: 0
localConfig:
  useActiveGpu: true
  gpuIndices: 0,1
"""

VERSION_2 = """
experimentName: example_mnist
searchSpace:
  lr: {_type: uniform, _value: [0.1, 0.2]}
  op: {_type: layer_choice, _value: [a, b]}
trialCommand: PYTHON train.py
trialCodeDirectory: .
trialConcurrency: 2
trial_gpu_number: 0
maxTrialNumber: 4
maxExperimentDuration: 1h
tuner:
  name: Evolution
  classArgs: {optimize_mode: minimize, population_size: 3}
trainingService:
  platform: local
  useActiveGpu: true
  gpuIndices: [0, 1]
"""

SCRIPT = """
import retiarii
parameters = retiarii.get_next_parameter()
print(parameters)
retiarii.report_intermediate_result(parameters["lr"])
retiarii.report_final_result(parameters["lr"] + parameters["op"]["_idx"])
"""


@pytest.fixture
def write(tmp_path):
    """Write a project with a configuration file, and return the path of the file."""
    (tmp_path / "search_space.json").write_text(json.dumps(SPACE))
    (tmp_path / "train.py").write_text(SCRIPT)

    def file(text):
        path = tmp_path / "config.yml"
        path.write_text(textwrap.dedent(text).replace("PYTHON", PYTHON))
        return path

    return file


@pytest.mark.parametrize("text", [VERSION_1, VERSION_2])
def test_both_formats_are_read(write, tmp_path, text):
    config = read_config(write(text))
    assert isinstance(config, CommandConfig)
    assert config.command == f"{PYTHON} train.py"
    assert config.folder == tmp_path
    assert config.parameters.description == SPACE
    assert isinstance(config.strategy, RegularizedEvolution)
    assert config.strategy.population_size == 3
    settings = config.settings
    assert (settings.experiment_name, settings.trial_concurrency, settings.max_trial_number) == ("example_mnist", 2, 4)
    assert (settings.max_experiment_duration, settings.optimize_mode, settings.trial_gpu_number) == (
        "1h",
        "minimize",
        0,
    )
    assert settings.training_service.use_active_gpu is True
    assert settings.training_service.gpu_indices == [0, 1]
    assert config.without_effect == (("authorName", "useAnnotation") if text is VERSION_1 else ())


def run(*words, cwd):
    return subprocess.run(
        [sys.executable, "-m", "retiarii", *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("text", [VERSION_1, VERSION_2])
def test_create_runs_the_experiment_from_any_folder(write, tmp_path, text):
    path = write(text)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = run("--storage", tmp_path / "store.db", "create", "--config", path, cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    assert "4/4 trials" in done.stderr
    assert ("without effect here: authorName" in done.stderr) == (text is VERSION_1)
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    with open_store(tmp_path / "store.db") as store:
        (record,) = store.list_experiments()
        trials = store.list_trials(record.id)
    for trial in trials:
        index = ["a", "b"].index(trial.architecture["op"])
        assert trial.metrics["default"] == trial.architecture["lr"] + index
        assert f"'_idx': {index}" in trial.output
    resumed = run("--storage", tmp_path / "store.db", "resume", record.id, "--max-trial-number", 5, cwd=elsewhere)
    assert "5/5 trials" in resumed.stderr


def test_a_tuner_of_the_users_is_imported_from_its_folder(write, tmp_path):
    (tmp_path / "tuners").mkdir()
    (tmp_path / "tuners" / "mine_for_test.py").write_text(
        textwrap.dedent(
            """
            from retiarii.classic import Tuner

            class MyTuner(Tuner):
                def __init__(self, optimize_mode, lr):
                    self.lr = lr

                def update_search_space(self, search_space):
                    assert search_space["op"]["_type"] == "layer_choice"

                def generate_parameters(self, parameter_id, **kwargs):
                    return {"lr": self.lr, "op": {"_value": "a", "_idx": 0}}

                def receive_trial_result(self, parameter_id, parameters, value, **kwargs):
                    pass
            """
        )
    )
    for named in (
        "codeDir: tuners\n  classFileName: mine_for_test.py\n  className: MyTuner",
        "codeDirectory: tuners\n  className: mine_for_test.MyTuner",
    ):
        start = VERSION_1[: VERSION_1.index("tuner:")] + VERSION_1[VERSION_1.index("trial:\n") :]
        path = write(f"{start}tuner:\n  {named}\n  classArgs: {{optimize_mode: maximize, lr: 0.15}}\n")
        config = read_config(path)
        assert isinstance(config.strategy, TunerStrategy)
        done = run("--storage", tmp_path / "store.db", "create", "-c", path, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "best 0.15" in done.stderr
    with open_store(tmp_path / "store.db") as store:
        newest = max(store.list_experiments(), key=lambda record: record.created).id
    resumed = run("--storage", tmp_path / "store.db", "resume", newest, "--max-trial-number", 5, cwd=tmp_path.parent)
    assert "5/5 trials" in resumed.stderr


@pytest.mark.parametrize(
    ("tuner", "expected"),
    [
        ("{name: Random}", Random),
        ("{name: GridSearch}", GridSearch),
        ("{builtinTunerName: RegularizedEvolutionTuner, classArgs: {optimize_mode: minimize}}", RegularizedEvolution),
        ("{builtinTunerName: PPOTuner, classArgs: {optimize_mode: maximize, trials_per_update: 8}}", PolicyBasedRL),
        ("{name: ASHA, classArgs: {fidelity: epochs, min_fidelity: 1, max_fidelity: 9}}", ASHA),
    ],
)
def test_strategies_are_tuners_by_name(write, tuner, expected):
    text = VERSION_2[: VERSION_2.index("tuner:")]
    assert isinstance(read_config(write(f"{text}tuner: {tuner}\n")).strategy, expected)


def test_medianstop_is_an_assessor(write):
    config = read_config(write(f"{VERSION_2}\nassessor: {{name: Medianstop, classArgs: {{start_step: 3}}}}\n"))
    assert isinstance(config.strategy, MedianStop)
    assert config.strategy.warmup_steps == 3


def changed(old, new):
    assert old in VERSION_1
    return VERSION_1.replace(old, new)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (changed("maxTrialNum: 4", "maxTrialNumm: 4"), 6, "Did you mean 'maxTrialNum'"),
        (changed("  gpuNum: 0", "gpuNum: 0"), 18, "belongs into 'trial'"),
        (changed("maxTrialNum: 4", "maxTrialNum: four"), 6, "'four', expected a whole number"),
        (changed("maxTrialNum: 4", "maxTrialNum: 4\nmaxTrialNumber: 5"), 7, "mean the same"),
        (changed("maxTrialNum: 4", "maxTrialNum: 4\nmax_trial_num: 5"), 7, "twice"),
        (
            changed("  builtinTunerName: Evolution", "  builtinTunerName: Evolutoin"),
            11,
            "expected one of ['ASHA', 'Evolution',",
        ),
        (changed("population_size: 3", "populaton_size: 3"), 12, "population_size"),
        (changed("population_size: 3", "population_size: -3"), 12, "population_size"),
        (changed("population_size: 3", "population_size: many"), 12, "expected a whole number"),
        (changed("optimize_mode: minimize", "optimize_mode: min"), 12, "expected 'maximize' or 'minimize'"),
        (changed("  command: PYTHON train.py\n", ""), 16, "'command' is missing in 'trial'"),
        (changed("codeDir: .", "codeDir: missing"), 17, "no directory"),
        (changed("trainingServicePlatform: local", "trainingServicePlatform: remote"), 7, "expected 'local'"),
        (changed("useAnnotation: false", "useAnnotation: true"), 9, "Write a search-space file"),
        (changed("searchSpacePath: search_space.json\n", ""), 2, "'searchSpaceFile' is missing"),
        (changed("gpuIndices: 0,1", "gpuIndices: zero"), 21, "numbers of GPUs"),
        (f"{VERSION_1}tuner: {{}}\n", 22, "twice"),
        (f"{VERSION_1}assessor: {{name: Curvefitting}}\n", 22, "expected Medianstop"),
        (f"{VERSION_1}assessor: {{name: Medianstop, classArgs: {{start_step: -1}}}}\n", 22, "expected a whole number"),
    ],
)
def test_mistakes_are_named_with_their_line(write, text, line, message):
    with pytest.raises(ConfigError) as caught:
        read_config(write(text))
    assert f"config.yml, line {line}: " in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a\n", "a: [", "a: !!python/object/apply:os.system ['true']\n", "\0"])
def test_files_that_are_no_configuration_are_refused(write, text):
    with pytest.raises(ConfigError, match=r"config\.yml"):
        read_config(write(text))


def laughs(level):
    inner = ", ".join([f"*a{level - 1}"] * 9)
    return f"a{level}: &a{level} [{inner}]"


LAUGHS = f"{{a0: &a0 [0], {', '.join(map(laughs, range(1, 10)))}}}"


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("{x: &x {_type: choice, _value: [*x]}}", "nested without end"),
        (LAUGHS, "more than"),
    ],
)
def test_aliases_without_end_are_refused(write, space, message):
    start, end = VERSION_2.index("searchSpace:"), VERSION_2.index("trialCommand")
    text = f"{VERSION_2[:start]}searchSpace: {space}\n{VERSION_2[end:]}"
    with pytest.raises(ConfigError, match=message):
        read_config(write(text))


def test_create_says_in_one_line_what_is_wrong(write, tmp_path):
    done = run("create", "--config", write(changed("maxTrialNum: 4", "maxTrialNumm: 4")), cwd=tmp_path)
    assert done.returncode == 1
    assert "line 6: there is no field 'maxTrialNumm'" in done.stderr
    assert "Traceback" not in done.stderr
    assert run("create", "--config", tmp_path / "missing.yml", cwd=tmp_path).returncode == 1
