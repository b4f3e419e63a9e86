"""Names that other packages give to executors and engines, with packages that are really installed in a folder."""

import sys

import pytest

from retiarii import RetiariiExeConfig, RetiariiExperiment, strategy
from retiarii._registry import Registry
from retiarii.cli import main
from retiarii.errors import ConfigError
from retiarii.space import Categorical, SearchSpace

SPACE = SearchSpace([Categorical("x", (1, 2, 3))])
MODULE = """
from retiarii.execution import InProcessExecutor
from retiarii.space import Engine, SearchSpace

def executor(task, settings):
    return InProcessExecutor(task)

def nonsense(*arguments):
    return "nonsense"

class Tripled(Engine):
    def __init__(self, space):
        self._space = space

    @property
    def space(self):
        return self._space

    def build(self, architecture):
        return 3 * architecture["x"]

def engine(model, mutators, config, evaluator):
    return Tripled(model)

number = 5
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution of a name, with a module and lines of entry points, into a folder on the import path."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    made = []

    def installed(name, entry_points, module=MODULE):
        (folder / f"{name}.py").write_text(module)
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)
        made.append(name)

    yield installed
    for name in made:
        sys.modules.pop(name, None)


def executors(line):
    return f"[retiarii.executors]\n{line}\n"


def engines(line):
    return f"[retiarii.engines]\n{line}\n"


def ran(tmp_path, platform="in_process", engine="py", **settings):
    experiment = RetiariiExperiment(
        SPACE, lambda x: float(x if engine != "py" else x["x"]), strategy=strategy.GridSearch()
    )
    config = RetiariiExeConfig(platform, engine, progress=False, storage=tmp_path / "store.db", **settings)
    experiment.run(config)
    return experiment


def test_an_executor_of_another_package_is_named_in_settings(tmp_path, install):
    install("ek_cluster", executors("cluster = ek_cluster:executor"))
    experiment = ran(tmp_path, "cluster", max_trial_number=1)
    with pytest.raises(SystemExit) as ended:
        main(["resume", experiment.id, "--storage", str(tmp_path / "store.db"), "--max-trial-number", "3"])
    assert not ended.value.code
    assert sorted(trial.metric for trial in experiment.trials()) == [1, 2, 3]


def test_an_engine_of_another_package_is_named_in_settings(tmp_path, install):
    install("ek_tripled", engines("tripled = ek_tripled:engine"))
    experiment = ran(tmp_path, engine="tripled", max_trial_number=1)
    resumed = RetiariiExperiment.resume(experiment.id, storage=tmp_path / "store.db", max_trial_number=3)
    assert sorted(trial.metric for trial in resumed.trials()) == [3, 6, 9]


def test_nothing_is_imported_before_its_name_is_used(tmp_path, install):
    install("ek_lazy", executors("lazy = ek_lazy:executor"), "raise RuntimeError('imported')")
    ran(tmp_path)
    RetiariiExeConfig("lazy").validate()
    assert "ek_lazy" not in sys.modules


@pytest.mark.parametrize(
    ("entry", "module", "reason"),
    [
        ("broken = ek_broken_gone:executor", MODULE, "ModuleNotFoundError: No module named 'ek_broken_gone'"),
        ("broken = ek_broken:executr", MODULE, "AttributeError: .*'executr'"),
        ("broken = ek_broken:executor", "raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("broken = ek_broken:executor", "def executor(:", "SyntaxError"),
        ("broken = ek_broken", MODULE, "a module, expected a function"),
        ("broken = ek_broken:number", MODULE, "an int, expected a function"),
        ("broken = not a path!", MODULE, "not a path!"),
    ],
)
def test_a_broken_package_is_named_and_nothing_is_left_running(tmp_path, install, entry, module, reason):
    install("ek_broken", executors(entry), module)
    with pytest.raises(
        ConfigError, match=rf"(?s)executor 'broken' cannot be loaded from .*{reason}.*Repair or uninstall"
    ):
        ran(tmp_path, "broken")
    install("ek_whole", executors("whole = ek_whole:executor"))
    assert len(ran(tmp_path, "whole").trials()) == 3  # the broken one is in nobody's way


@pytest.mark.parametrize("text", ["[retiarii.executors\nx = y:z\n", "x = y:z\n"])
def test_unreadable_entry_points_of_a_package_are_in_nobodys_way(tmp_path, install, text):
    install("ek_garbled", text)
    install("ek_fine", executors("fine = ek_fine:executor"))
    assert len(ran(tmp_path).trials()) == 3
    RetiariiExeConfig("fine").validate()
    with pytest.raises(ConfigError, match=r"platform is 'fin', expected one of .* Did you mean 'fine'"):
        RetiariiExeConfig("fin").validate()


def test_a_name_that_two_packages_give_is_refused_with_both(tmp_path, install):
    install("ek_one", executors("twice = ek_one:executor"))
    install("ek_two", executors("twice = ek_two:executor"))
    with pytest.raises(ConfigError, match=r"Several packages give the executor 'twice': ek_one:executor, ek_two:exec"):
        ran(tmp_path, "twice")


def test_a_built_in_name_stays_what_it_is(tmp_path, install):
    install("ek_usurper", executors("in_process = ek_usurper:nonsense"))
    assert len(ran(tmp_path, "in_process").trials()) == 3


def test_what_a_package_makes_is_checked(tmp_path, install):
    install("ek_false", executors("false = ek_false:nonsense") + engines("false = ek_false:nonsense"))
    with pytest.raises(ConfigError, match=r"executor 'false' returned 'nonsense', expected an instance of .*Executor"):
        ran(tmp_path, "false")
    with pytest.raises(ConfigError, match=r"execution engine 'false' returned 'nonsense', expected .*space.Engine"):
        ran(tmp_path, engine="false")


def test_unknown_names_list_the_known_ones_of_other_packages_too(install):
    install("ek_known", executors("known = ek_known:executor"))
    with pytest.raises(
        ConfigError,
        match=r"platform is 'knwon', expected one of \['in_process', 'known', 'local', 'simulated'\].*'known'",
    ):
        RetiariiExeConfig("knwon").validate()
    with pytest.raises(ConfigError, match=r"execution_engine is 5, expected one of \['base', 'oneshot', 'py'\]"):
        RetiariiExeConfig(execution_engine=5).validate()
    with pytest.raises(ConfigError, match=r"execution_engine is \['py'\], expected one of"):
        RetiariiExeConfig(execution_engine=["py"]).validate()


def test_built_in_names_need_no_look_at_installed_packages(monkeypatch):
    def look(**selected):
        raise AssertionError("all installed packages were read")

    monkeypatch.setattr("importlib.metadata.entry_points", look)
    RetiariiExeConfig("local", "base").validate()


def test_a_registry_of_your_own(install):
    install("ek_own", "[some.group]\nsix = ek_own:executor\n")
    registry = Registry("thing", {"four": "math:sqrt"}, "some.group")
    assert registry.names() == ["four", "six"]
    assert registry.get("four")(16) == 4
    assert registry.get("six").__module__ == "ek_own"
