"""Choices and models as NNI 3.0 writes them."""

import numpy as np
import pytest
import torch
from torch import nn

import retiarii.nn.pytorch as ours
from retiarii import FunctionalEvaluator, extract_space, strategy
from retiarii.errors import ArchitectureError, ConfigError, NoContextError


def test_choices_of_values_and_of_modules():
    import nni

    width = nni.choice("width", [8, 16])
    assert isinstance(width, ours.ValueChoice)
    assert (width.label, width.candidates) == ("width", [8, 16])
    layer = nni.choice("layer", [nn.ReLU(), nn.Tanh()])
    assert isinstance(layer, ours.LayerChoice)
    assert layer.label == "layer"
    rate = nni.uniform("rate", 0, 1)
    assert (rate.choice().low, rate.choice().high, rate.choice().log) == (0.0, 1.0, False)
    assert nni.loguniform("lr", 1e-5, 1e-3).choice().log


def test_rounded_choices_have_the_values_and_probabilities_of_nni():
    import nni

    rounded = nni.quniform("q", 2, 10, 5)
    assert rounded.candidates == [2.0, 5.0, 10.0]
    assert all(isinstance(value, float) for value in rounded.candidates)
    assert rounded.prior == pytest.approx([0.5 / 8, 5 / 8, 2.5 / 8])

    logarithmic = nni.qloguniform("q", 1e-5, 1e-3, 1e-4)
    drawn = np.exp(np.random.default_rng(0).uniform(np.log(1e-5), np.log(1e-3), 200_000))
    values = np.clip(np.round(drawn / 1e-4) * 1e-4, 1e-5, 1e-3)
    shares = [np.isclose(values, value, rtol=1e-6, atol=0).mean() for value in logarithmic.candidates]
    assert sum(shares) == pytest.approx(1.0)
    assert logarithmic.prior == pytest.approx(shares, abs=0.005)
    for wrong in [(1, 1, 1), (2, 1, 1), (0, 1, 0), (0, 1, 1e-9)]:
        with pytest.raises(ConfigError, match="Choice 'q' has"):
            nni.quniform("q", *wrong)
    with pytest.raises(ConfigError, match="low above 0 for a logarithm"):
        nni.qloguniform("q", 0, 1, 0.1)


def test_mutables_by_their_classes():
    from nni.mutable import Categorical, Numerical

    assert Categorical([1, 2], weights=[0.25, 0.75], label="c").prior == [0.25, 0.75]
    assert Numerical(0.5, 2.0, log_distributed=True, label="n").choice().log
    assert Numerical(0, 1, quantize=0.5, label="n").candidates == [0.0, 0.5, 1.0]
    with pytest.raises(ConfigError, match="'n' has no bounds"):
        Numerical(mu=0, sigma=1, label="n")
    with pytest.raises(ConfigError, match="'n' has no bounds"):
        Numerical(label="n")


def model_space():
    import nni
    from nni.mutable import ensure_frozen
    from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableLinear, MutableModule, Repeat

    class Scale(MutableModule):
        def __init__(self):
            super().__init__()
            self.factor = self.add_mutable(nni.choice("factor", [1.0, 2.0]))
            self.power = ensure_frozen(self.add_mutable(nni.choice("power", [1, 2])) * 2)

        def forward(self, x):
            return x**self.power

    class Net(ModelSpace):
        def __init__(self, num_inputs=4):
            super().__init__()
            width = nni.choice("width", [2, 3])
            self.first = MutableLinear(num_inputs, width)
            self.layer = self.add_mutable(LayerChoice([nn.ReLU(), nn.Tanh()], label="layer"))
            self.blocks = Repeat(lambda index: nn.Identity(), (1, 2), label="depth")
            self.scale = Scale()

        def forward(self, x):
            return self.scale(self.blocks(self.layer(self.first(x))))

    return Net


def test_a_model_space_is_a_model_with_choices():
    net = model_space()(num_inputs=5)
    space = net.simplify()
    assert sorted(space) == ["depth", "factor", "layer", "power", "width"]
    assert sorted(space) == sorted(choice.label for choice in extract_space(net))
    chosen = {"width": 3, "layer": 1, "depth": 2, "factor": 2.0, "power": 2}
    fixed = net.freeze(chosen)
    assert isinstance(fixed.layer, nn.Tanh)
    assert (fixed.first.in_features, fixed.first.out_features) == (5, 3)
    assert (fixed.scale.factor, fixed.scale.power) == (2.0, 4)
    assert fixed(torch.ones(1, 5)).shape == (1, 3)


def test_models_of_a_space_with_their_architectures():
    net = model_space()()
    memo = {}
    assert net.default(memo).first.out_features == memo["width"] == 2
    drawn, again = {}, {}
    net.random(drawn, np.random.RandomState(3))
    net.random(again, np.random.RandomState(3))
    assert drawn == again
    assert net.random().first.out_features in (2, 3)
    assert net.contains(drawn)
    assert not net.contains({**drawn, "width": 7})
    with pytest.raises(ArchitectureError, match="'width'"):
        net.validate({**drawn, "width": 7})
    assert len(list(net.grid())) == 32


def test_a_model_is_built_fixed_in_the_context_of_an_architecture():
    from nni.nas.space import model_context

    chosen = {"width": 3, "layer": 1, "depth": 2, "factor": 2.0, "power": 1}
    with model_context({**chosen, "learning_rate": 0.1}):  # the evaluator's choices are in it, too
        net = model_space()()
    assert type(net.first) is nn.Linear
    assert net.scale.power == 2


def test_what_a_model_space_cannot_be_is_refused():
    import nni
    from nni.mutable import ensure_frozen
    from nni.nas.nn.pytorch import ModelSpace, MutableModule, ParametrizedModule

    with pytest.raises(ConfigError, match=r"label_prefix='backbone'.*nni.choice\('backbone/width'"):
        type("Net", (ModelSpace,), {}, label_prefix="backbone")
    with pytest.raises(ConfigError, match=r"wraps Linear.*basic_unit\(Linear\)"):
        type("Mine", (ParametrizedModule, nn.Linear), {}, wraps=nn.Linear)
    with pytest.raises(TypeError, match="add_mutable got 3, expected a choice"):
        MutableModule().add_mutable(3)
    with pytest.raises(NoContextError):
        ensure_frozen(nni.choice("c", [1, 2]))
    with pytest.raises(ConfigError, match="the choice 'r', whose candidates are not all plain values"):
        ensure_frozen(nni.uniform("r", 0, 1))
    assert ensure_frozen(3) == 3
    assert ensure_frozen(nni.choice("c", [1, 2]) + 1, sample={"c": 2}) == 3


def test_a_parametrized_module_takes_choices():
    import nni
    from nni.nas.nn.pytorch import ModelSpace, ParametrizedModule

    class Power(ParametrizedModule):
        def __init__(self, exponent):
            super().__init__()
            self.exponent = exponent

        def forward(self, x):
            return x**self.exponent

    class Net(ModelSpace):
        def __init__(self):
            super().__init__()
            self.power = Power(nni.choice("exponent", [1, 2]))

        def forward(self, x):
            return self.power(x)

    assert Net().power.exponent == 1
    assert Net().freeze({"exponent": 2}).power.exponent == 2


# Experiments


def evaluate(model, bonus):
    return float(model.first.out_features) + bonus


def test_an_experiment_is_run_and_its_models_exported():
    import nni
    from nni.nas.experiment import NasExperiment

    evaluator = FunctionalEvaluator(evaluate, bonus=nni.choice("bonus", [0.25, 0.5]))
    experiment = NasExperiment(model_space()(), evaluator, strategy.GridSearch())
    experiment.config.execution_engine = "sequential"
    experiment.config.max_trial_number = 64
    experiment.config.progress = False
    assert experiment.run(port=8081)
    (best,) = experiment.export_top_models(formatter="dict")
    assert (best["width"], best["bonus"]) == (3, 0.5)
    (network,) = experiment.export_top_models(formatter="instance")
    assert network.first.out_features == 3
    assert experiment.id == experiment.experiment.id
    assert (experiment.strategy, experiment.evaluator) == (experiment.experiment.strategy, evaluator)
    assert experiment.model_space is experiment.experiment.base_model
    with pytest.raises(ConfigError, match="needs a formatter: 'dict'"):
        experiment.export_top_models()
    with pytest.warns(UserWarning, match="optimize_mode has no effect"):
        experiment.export_top_models(formatter="dict", optimize_mode="minimize")
    viewed = NasExperiment.view(experiment.id)
    assert viewed.export_top_models(formatter="dict") == [best]
    experiment.stop()


def test_settings_in_the_words_of_nni():
    from nni.nas.experiment import NasExperiment, NasExperimentConfig

    config = NasExperimentConfig("ts", "graph", "local", trial_concurrency=2)
    assert (config.training_service.platform, config.execution_engine, config.trial_concurrency) == ("local", "base", 2)
    config.model_format = "simplified"
    config.execution_engine = "sequential"
    assert (config.training_service.platform, config.execution_engine) == ("in_process", "py")
    config.execution_engine = "base"
    assert config.execution_engine == "base"
    with pytest.raises(ConfigError, match="execution_engine is 'cgo', which has no equivalent"):
        config.execution_engine = "cgo"
    with pytest.raises(ConfigError, match=r"model_format is 'onnx', expected one of \['graph', 'raw', 'simplified'\]"):
        config.model_format = "onnx"
    with pytest.raises(ConfigError, match="NasExperimentConfig has no setting 'max_trials'"):
        config.max_trials = 3
    with pytest.raises(ConfigError, match="the store assigns ids"):
        NasExperiment(model_space()(), evaluate, strategy.Random(), id="abc")


def test_ready_spaces_have_the_arguments_and_defaults_of_their_version_of_nni():
    from nni.nas.hub.pytorch import AutoFormer, ProxylessNAS
    from nni.retiarii.hub.pytorch import AutoformerSpace

    sizes = {"search_embed_dim": (8,), "search_num_heads": (1,), "search_depth": (1, 2), "img_size": 4, "patch_size": 2}
    old = AutoformerSpace(**sizes, in_chans=1, num_classes=5, abs_pos=False)
    assert old(torch.randn(2, 1, 4, 4)).shape == (2, 5)
    assert old.positions is None
    assert (old.blocks[0].attention.query.bias, old.global_pooling) == (None, False)
    new = AutoFormer(**sizes, num_labels=5)
    assert new.blocks[0].attention.query.bias is not None
    assert new.global_pooling
    assert [choice.label for choice in extract_space(old)] == [choice.label for choice in extract_space(new)]
    with torch.device("meta"):
        assert sum(p.numel() for p in ProxylessNAS.load_searched_model("proxyless-cpu").parameters()) == 4_361_648
