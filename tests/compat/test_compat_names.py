"""The table of names: every row names an object that exists, and the error for other names suggests the nearest one."""

import importlib
import pickle

import pytest
import torch

import retiarii
import retiarii.classic
import retiarii.nn.pytorch
from retiarii._lazy import load
from retiarii.compat._nni_names import attribute
from retiarii.compat._nni_row import Adapted
from retiarii.compat._nni_table import CONTINUED, MODULES, NEAREST
from retiarii.errors import ConfigError, NoEquivalentError, RetiariiError


@pytest.mark.parametrize("module", MODULES)
def test_every_name_of_a_module_can_be_imported(module):
    imported = importlib.import_module(module)
    for name in MODULES[module]:
        namespace = {}
        exec(f"from {module} import {name}", namespace)
        assert namespace[name] is not None
        assert name in dir(imported)
    assert set(MODULES[module]) <= set(imported.__all__)


@pytest.mark.parametrize("ours", sorted({*NEAREST.values(), *(module for _, module in CONTINUED.values())}))
def test_every_hint_names_something_that_is_there(ours):
    parent, _, name = ours.rpartition(".")
    assert hasattr(importlib.import_module(parent), name)


def test_names_without_other_arguments_are_the_objects_themselves():
    import nni
    import nni.retiarii.evaluator.pytorch.lightning as pl
    import nni.retiarii.nn.pytorch as nn
    from nni.nas.nn.pytorch import MutableConv2d, MutableLinear
    from nni.retiarii import strategy
    from nni.retiarii.experiment.pytorch import RetiariiExperiment

    assert nni.trace is retiarii.trace
    assert nni.report_final_result is retiarii.report_final_result
    assert pl.Classification is retiarii.evaluator.pytorch.lightning.Classification
    assert nn.LayerChoice is retiarii.nn.pytorch.LayerChoice
    assert nn.Module is torch.nn.Module
    assert nn.Conv2d is retiarii.nn.pytorch.Conv2d is MutableConv2d
    assert MutableLinear is retiarii.nn.pytorch.Linear
    assert strategy.Random is retiarii.strategy.Random
    assert RetiariiExperiment is retiarii.RetiariiExperiment


def test_a_star_import_gives_all_names_of_a_module():
    names = {}
    exec("from nni.nas.nn.pytorch import *", names)
    assert {"ModelSpace", "LayerChoice", "Repeat", "MutableConv2d", "MutableBatchNorm2d"} <= set(names)
    assert not {"MutableLayerChoice", "FloatRange", "extract_space"} & set(names), "names that NNI never had"
    assert {"LayerChoice", "Conv2d", "Module"} <= set(importlib.import_module("nni.retiarii.nn.pytorch").__all__)
    with pytest.raises(ImportError):
        exec("from nni.retiarii.nn.pytorch import FloatRange")


def test_submodules_are_attributes():
    import nni

    assert nni.retiarii.strategy.DARTS is retiarii.strategy.DARTS


@pytest.mark.parametrize(
    ("statement", "nearest"),
    [
        ("from nni.algorithms.nas.pytorch.cdarts import CdartsTrainer", "retiarii.strategy.DARTS"),
        (
            "from nni.nas.pytorch.fixed import apply_fixed_arch",
            "retiarii.classic.pytorch.fixed.apply_fixed_architecture",
        ),
        ("import nni.nas.benchmarks.nlp", "retiarii.benchmarks.nasbench201"),
        ("from nni.retiarii.oneshot.pytorch import DartTrainer", "retiarii.oneshot.pytorch.DartsTrainer"),
        ("from nni.retiarii.strategy import TPE", "retiarii.strategy.RegularizedEvolution"),
        ("from nni.retiarii.strategy import Randm", "retiarii.strategy.Random"),
        ("from nni.retiarii.nn.pytorch import LayerChoise", "retiarii.nn.pytorch.LayerChoice"),
        ("from nni.retiarii.nn.pytorch import Conv2dd", "retiarii.nn.pytorch.Conv2d"),
        ("from nni.nas.nn.pytorch import MutableLineer", "retiarii.nn.pytorch.Linear"),
        ("from nni.retiarii import RetiariiExperiment", "retiarii.RetiariiExperiment"),
        ("from nni import normal", "retiarii.nn.pytorch.FloatRange"),
        ("import nni.retiari", "the module nni.retiarii"),
        ("import nni.compression", "In nni there are NoMoreTrialError, algorithms, choice, common, "),
    ],
)
def test_a_name_that_is_not_there_says_what_comes_nearest(statement, nearest):
    with pytest.raises(NoEquivalentError, match="retiarii has no equivalent of nni") as raised:
        exec(statement)
    assert nearest in str(raised.value)
    assert isinstance(raised.value, ImportError)
    assert isinstance(raised.value, RetiariiError)


def test_an_attribute_that_is_not_there_is_an_attribute_error_so_that_it_can_be_asked_for():
    import nni.retiarii.strategy

    assert not hasattr(nni.retiarii.strategy, "TPE")
    with pytest.raises(AttributeError, match=r"What comes nearest is retiarii.strategy.RegularizedEvolution"):
        _ = nni.retiarii.strategy.TPE
    with pytest.raises(AttributeError):
        _ = nni.__file__


# Arguments


def test_arguments_are_renamed():
    from nni.nas.nn.pytorch import InputChoice, LayerChoice, ValueChoice
    from nni.nas.strategy import ENAS

    layer = LayerChoice([torch.nn.ReLU(), torch.nn.Tanh()], weights=[0.25, 0.75], label="op")
    assert type(layer) is retiarii.nn.pytorch.LayerChoice
    assert isinstance(layer, LayerChoice)
    assert not isinstance(layer, InputChoice)
    assert issubclass(retiarii.nn.pytorch.LayerChoice, LayerChoice)
    assert layer.prior == [0.25, 0.75]
    assert ValueChoice(values=[1, 2], weights=[0.5, 0.5], label="v").candidates == [1, 2]
    assert ENAS(batches_per_update=7).ctrl_steps_aggregate == 7
    with pytest.raises(ConfigError, match="the argument 'prior' twice"):
        LayerChoice([torch.nn.ReLU()], weights=[1.0], prior=[1.0])


def test_defaults_are_those_of_nni_unless_given_by_position_or_name():
    from nni.nas.strategy import RegularizedEvolution as Evolution3
    from nni.retiarii.strategy import RegularizedEvolution

    assert RegularizedEvolution().mutation_prob == 0.05
    assert not RegularizedEvolution().dedup
    assert RegularizedEvolution("maximize", 10, 5, 20, 0.5).mutation_prob == 0.5
    assert RegularizedEvolution(mutation_prob=None).mutation_prob is None
    assert Evolution3().dedup
    assert not Evolution3(dedup=False).dedup


def test_policies_take_the_arguments_of_both_generations():
    from nni.nas.strategy import PolicyBasedRL as Policy3
    from nni.retiarii.strategy import PolicyBasedRL

    assert PolicyBasedRL(10, trial_per_collect=5) == retiarii.strategy.PolicyBasedRL(10, 5)
    assert Policy3(samples_per_update=7).trial_per_collect == 7
    with pytest.warns(UserWarning, match=r"max_collect=3\) has no effect: the search ends with the experiment"):
        assert Policy3(max_collect=3).max_collect == 10**6
    with pytest.raises(ConfigError, match=r"reward_for_invalid=0\.0, which has no equivalent: on_failure='worst'"):
        Policy3(reward_for_invalid=0.0)
    with pytest.raises(ConfigError, match="PolicyBasedRL got policy_fn="):
        PolicyBasedRL(policy_fn=print)


def test_the_ppo_tuner_has_its_old_name():
    from nni.algorithms.hpo.ppo_tuner import PPOTuner

    assert PPOTuner is retiarii.classic.PPOTuner


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("nni.algorithms.hpo.ppo_tuner.ppo_tuner", "PPOTuner"),
        ("nni.algorithms.nas.pytorch.fbnet.utils", "LookUpTable"),
        ("nni.algorithms.nas.pytorch.spos.evolution", "SPOSEvolution"),
        ("nni.nas.pytorch.spos.evolution", "SPOSEvolution"),
    ],
)
def test_names_are_found_in_the_files_in_which_they_were_written(module, name):
    assert getattr(importlib.import_module(module), name).__module__.startswith("retiarii.classic")


def test_arguments_without_effect_warn_and_name_the_line_of_the_user():
    from nni.nas.strategy import DARTS, GridSearch

    with pytest.warns(UserWarning, match=r"GridSearch\(seed=3\) has no effect: .*experiment.config.seed") as warned:
        GridSearch(seed=3)
    assert warned[0].filename == __file__
    with pytest.warns(UserWarning, match=r"DARTS\(log_prob_every_n_step=5\) has no effect"):
        assert DARTS(log_prob_every_n_step=5, arc_learning_rate=0.1).arc_learning_rate == 0.1


def test_arguments_that_cannot_be_translated_are_refused_with_what_to_do():
    from nni.nas.strategy import DARTS, ENAS

    with pytest.raises(ConfigError, match=r"DARTS got penalty=.*ExpectedCost"):
        DARTS(penalty={"profiler": None, "baseline": 1})
    with pytest.raises(ConfigError, match=r"ENAS got policy_fn=<"):
        ENAS(policy_fn=print)
    assert DARTS(penalty=None) == retiarii.strategy.DARTS()


def test_the_temperature_of_gumbel_darts_is_one_argument():
    from nni.nas.strategy import GumbelDARTS

    falling = retiarii.strategy.GumbelDARTS(gumbel_temperature=1.0, use_temp_anneal=True, min_temp=0.33)
    assert GumbelDARTS() == GumbelDARTS(temperature={"init": 1.0, "min": 0.33}) == falling
    assert GumbelDARTS(temperature=0.5).gumbel_temperature == 0.5
    assert not GumbelDARTS(temperature=0.5).use_temp_anneal
    with pytest.raises(ConfigError, match="got temperature='cold'"):
        GumbelDARTS(temperature="cold")


def test_an_adapted_class_can_be_derived_from_and_travels():
    from nni.nas.nn.pytorch import LayerChoice

    class Mine(LayerChoice):
        pass

    assert Mine.__mro__[1] is retiarii.nn.pytorch.LayerChoice
    copied = pickle.loads(pickle.dumps(LayerChoice))
    assert isinstance(copied, Adapted)
    assert copied([torch.nn.ReLU()], weights=[1.0]).prior == [1.0]
    assert "retiarii.nn.pytorch.LayerChoice" in repr(LayerChoice)


def test_functions_of_nni_2_get_a_class_and_those_of_nni_3_a_model():
    import nni.nas.evaluator
    import nni.retiarii.evaluator

    def is_module(model, wanted):
        return float(isinstance(model, torch.nn.Module) is wanted)

    net = retiarii.nn.pytorch.Linear(1, 1)
    old = nni.retiarii.evaluator.FunctionalEvaluator(is_module, wanted=False)
    assert old.evaluate(net) == 1.0
    assert old.arguments == {"wanted": False}
    assert "is_module" in repr(old)
    assert nni.retiarii.evaluator.FunctionalEvaluator(lambda model: float(model().out_features)).evaluate(net) == 1.0
    assert nni.nas.evaluator.FunctionalEvaluator(is_module, wanted=True).evaluate(net) == 1.0


def test_graphs_are_made_with_the_arguments_of_nni():
    from nni.retiarii.codegen import model_to_pytorch_script
    from nni.retiarii.converter import convert_to_graph

    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
    model = convert_to_graph(None, net, dummy_input=torch.zeros(1, 2))
    assert [node.operation.type for node in model.root_graph.hidden_nodes]
    assert "Linear(" in model_to_pytorch_script(model)


def test_every_row_names_the_object_where_it_is_defined():
    for module, names in MODULES.items():
        for name, row in names.items():
            target = row if isinstance(row, str) else row.target
            assert load(target) is not None
            assert isinstance(attribute(module, name), Adapted) is not isinstance(row, str)
