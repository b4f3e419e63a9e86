"""The table of NNI's names and our equivalents. Nothing but data.

``MODULES`` has a row for each name of each module: ``"our.module:attribute"``, or a `Row` where arguments differ.
``CONTINUED`` names the modules of ours that have all further names of a module of NNI: the layers of torch.
``NEAREST`` has hints for names that have no equivalent.

``nni.retiarii`` is NNI 2.x. ``nni.nas`` and ``nni.mutable`` are NNI 3.0; ``nni.nas`` of NNI 2.10 had the names of
``nni.retiarii``, which are there, too. The classic API of NNI 1.x (``nni.nas.pytorch``) has a file of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from retiarii.compat._nni_classic_table import CLASSIC
from retiarii.compat._nni_row import Row

Names = Mapping[str, str | Row]


def _same(module: str, *names: str) -> dict[str, str | Row]:
    """Return rows for names that are spelled the same in one of our modules."""
    return {name: f"{module}:{name}" for name in names}


_SEED = "the seed belongs to the experiment (experiment.config.seed)"
_PENALTY = "build a retiarii.oneshot.ExpectedCost and give it to the strategy of retiarii (penalty=...)"
_OWN_OPERATORS = "give rules for modules of your own to the strategy of retiarii (rules=...)"
_POLICY = "the policy is one of retiarii's own; options such as learning_rate are arguments of PolicyBasedRL"
_LOGGED = "the probabilities of each epoch are in experiment.search_history()"
_WEIGHTS = {"weights": "prior"}

# report, trace, mutables

_REPORT = _same("retiarii", "get_next_parameter", "report_final_result", "report_intermediate_result")

_SHORTCUTS = _same("retiarii.compat._nni_mutables", "choice", "loguniform", "qloguniform", "quniform", "uniform")

_NASBENCH101_OPERATORS = _same(
    "retiarii.benchmarks.nasbench101", "CONV1X1_BN_RELU", "CONV3X3_BN_RELU", "INPUT", "MAXPOOL3X3", "OUTPUT"
)
_NASBENCH101_RECORDS = _same(
    "retiarii.benchmarks.nasbench101", "Nb101IntermediateStats", "Nb101TrialConfig", "Nb101TrialStats"
)
_NASBENCH101_QUERY = _same("retiarii.benchmarks.nasbench101", "query_nb101_trial_stats")
_NASBENCH101: Names = {**_NASBENCH101_OPERATORS, **_NASBENCH101_RECORDS, **_NASBENCH101_QUERY}

_NASBENCH201_OPERATORS = _same(
    "retiarii.benchmarks.nasbench201", "AVG_POOL_3X3", "CONV_1X1", "CONV_3X3", "NONE", "PRIMITIVES", "SKIP_CONNECT"
)
_NASBENCH201_RECORDS = _same(
    "retiarii.benchmarks.nasbench201", "Nb201IntermediateStats", "Nb201TrialConfig", "Nb201TrialStats"
)
_NASBENCH201_QUERY = _same("retiarii.benchmarks.nasbench201", "query_nb201_trial_stats")
_NASBENCH201: Names = {**_NASBENCH201_OPERATORS, **_NASBENCH201_RECORDS, **_NASBENCH201_QUERY}

_NDS_OPERATORS = _same(
    "retiarii.benchmarks.nds",
    "AVG_POOL_3X3",
    "CONV_1X1",
    "CONV_3X1_1X3",
    "CONV_3X3",
    "CONV_7X1_1X7",
    "DIL_CONV_3X3",
    "DIL_CONV_5X5",
    "DIL_SEP_CONV_3X3",
    "MAX_POOL_3X3",
    "MAX_POOL_5X5",
    "MAX_POOL_7X7",
    "NONE",
    "SEP_CONV_3X3",
    "SEP_CONV_5X5",
    "SEP_CONV_7X7",
    "SKIP_CONNECT",
)
_NDS_RECORDS = _same("retiarii.benchmarks.nds", "NdsIntermediateStats", "NdsTrialConfig", "NdsTrialStats")
_NDS_QUERY = _same("retiarii.benchmarks.nds", "query_nds_trial_stats")
_NDS: Names = {**_NDS_OPERATORS, **_NDS_RECORDS, **_NDS_QUERY}

_MUTABLE: Names = {
    **_SHORTCUTS,
    "Categorical": Row("retiarii.nn.pytorch:ValueChoice", renamed={"values": "candidates", **_WEIGHTS}),
    "Numerical": "retiarii.compat._nni_mutables:numerical",
    "ensure_frozen": "retiarii.compat._nni_mutables:ensure_frozen",
}

# models

_WRAPPERS = _same("retiarii", "basic_unit", "model_wrapper", "serialize", "trace")

_HUB_NASNET = _same("retiarii.hub.pytorch", "AmoebaNet", "DARTS", "ENAS", "NASNet", "NDS", "PNAS")

_HUB_MOBILE = _same("retiarii.hub.pytorch", "MobileNetV3Space", "ProxylessNAS", "ShuffleNetSpace")

_HUB_BENCHMARKS = _same("retiarii.hub.pytorch", "NasBench101", "NasBench201")

_AUTOFORMER: Names = {
    "AutoformerSpace": Row(
        "retiarii.hub.pytorch:AutoformerSpace",
        renamed={
            "abs_pos": "absolute_position",
            "global_pool": "global_pooling",
            "in_chans": "in_channels",
            "num_classes": "num_labels",
        },
        defaults={"drop_path_rate": 0.0, "global_pooling": False, "qkv_bias": False},
    ),
}

_AUTOFORMER_3: Names = dict.fromkeys(("AutoFormer", "AutoformerSpace"), "retiarii.hub.pytorch:AutoformerSpace")

_HUB: Names = {**_HUB_NASNET, **_HUB_MOBILE, **_HUB_BENCHMARKS, **_AUTOFORMER}

_HUB_3: Names = {**_HUB, **_AUTOFORMER_3}

_FIXED = _same("retiarii", "fixed_arch")

_CONTEXTS = _same(
    "retiarii.utils",
    "ContextStack",
    "ModelNamespace",
    "NoContextError",
    "get_current_context",
    "original_state_dict_hooks",
)

_CHOICES = _same(
    "retiarii.nn.pytorch",
    "ChosenInputs",
    "InputChoice",
    "LayerChoice",
    "ModelParameterChoice",
    "Placeholder",
    "ValueChoice",
)

_COMPONENTS = _same("retiarii.nn.pytorch", "AutoActivation", "Cell", "NasBench101Cell", "NasBench201Cell", "Repeat")

_CHOICES_3: Names = {
    **_CHOICES,
    "InputChoice": Row("retiarii.nn.pytorch:InputChoice", renamed=_WEIGHTS),
    "LayerChoice": Row("retiarii.nn.pytorch:LayerChoice", renamed=_WEIGHTS),
    "MutationAnchor": "retiarii.nn.pytorch:Placeholder",
    "ValueChoice": Row("retiarii.nn.pytorch:ValueChoice", renamed={"values": "candidates", **_WEIGHTS}),
}

_SPACES_3 = _same("retiarii.compat._model_space", "ModelSpace", "MutableModule", "ParametrizedModule")

# graphs and mutators

_MUTATORS = _same("retiarii.graph", "InvalidMutation", "Mutator", "Sampler", "StationaryMutator")

_GRAPH = _same("retiarii.graph", "Edge", "Graph", "Model", "Node")

_OPERATION = _same("retiarii.graph", "Operation")

_CONVERTER: Names = {"convert_to_graph": "retiarii.compat._script_graph:convert_to_graph"}

_CODE: Names = {
    "model_to_pytorch_script": Row(
        "retiarii.graph:export_code", ignored={"placement": "a network is written without devices"}
    )
}

# strategies

_BRUTE_FORCE = _same("retiarii.strategy", "GridSearch", "Random")

_EVOLUTION: Names = {
    "RegularizedEvolution": Row("retiarii.strategy:RegularizedEvolution", defaults={"mutation_prob": 0.05}),
}

_RL: Names = {
    "PolicyBasedRL": Row("retiarii.strategy:PolicyBasedRL", refused={"policy_fn": _POLICY}),
}

_ONE_SHOT = _same("retiarii.strategy", "DARTS", "ENAS", "GumbelDARTS", "OneShotStrategy", "Proxyless", "RandomOneShot")

_BASE = _same("retiarii.strategy", "BaseStrategy")

_STRATEGIES: Names = {**_BASE, **_BRUTE_FORCE, **_EVOLUTION, **_RL, **_ONE_SHOT}

_BRUTE_FORCE_3: Names = {
    "GridSearch": Row(
        "retiarii.strategy:GridSearch",
        ignored={"dedup": "no architecture is enumerated twice", "seed": _SEED},
    ),
    "Random": Row("retiarii.strategy:Random", ignored={"seed": _SEED}),
}

_EVOLUTION_3: Names = {
    "RegularizedEvolution": Row(
        "retiarii.strategy:RegularizedEvolution",
        defaults={"dedup": True, "mutation_prob": 0.05},
        ignored={"seed": _SEED},
    ),
}


_RL_3: Names = {
    "PolicyBasedRL": Row(
        "retiarii.strategy:PolicyBasedRL",
        renamed={"samples_per_update": "trial_per_collect"},
        defaults={"max_collect": 10**6},
        ignored={
            "max_collect": "the search ends with the experiment (max_trial_number)",
            "replay_buffer_size": "the policy learns from each trial once, right after it was collected",
        },
        refused={
            "policy_fn": _POLICY,
            "reward_for_invalid": "on_failure='worst' makes failed trials count as worse than all others",
            "update_kwargs": "give epochs and minibatch_size to retiarii.strategy.PolicyBasedRL",
        },
    ),
}


def _differentiable(name: str, target: str = "") -> dict[str, str | Row]:
    return {
        name: Row(
            target or f"retiarii.strategy:{name}",
            ignored={"log_prob_every_n_step": _LOGGED},
            refused={"mutation_hooks": _OWN_OPERATORS, "penalty": _PENALTY},
        )
    }


_ONE_SHOT_3: Names = {
    **_differentiable("DARTS"),
    "ENAS": Row(
        "retiarii.strategy:ENAS",
        renamed={"batches_per_update": "ctrl_steps_aggregate"},
        ignored={"log_prob_every_n_step": _LOGGED},
        refused={
            "mutation_hooks": _OWN_OPERATORS,
            "penalty": "give retiarii.strategy.ENAS a filter, such as retiarii.oneshot.CostLimit",
            "policy_fn": "ctrl_kwargs of retiarii.strategy.ENAS shape the controller",
            "replay_buffer_size": "the controller learns from each sample once, as in the paper",
            "update_kwargs": "the controller learns by REINFORCE, as in the paper; see ctrl_kwargs",
        },
    ),
    **_differentiable("GumbelDARTS", "retiarii.compat._gumbel_temperature:gumbel_darts"),
    "OneShotStrategy": "retiarii.strategy:OneShotStrategy",
    **_differentiable("Proxyless"),
    "RandomOneShot": Row("retiarii.strategy:RandomOneShot", refused={"mutation_hooks": _OWN_OPERATORS}),
}

_STRATEGIES_3: Names = {
    **_BASE,
    **_BRUTE_FORCE_3,
    **_EVOLUTION_3,
    **_RL_3,
    **_ONE_SHOT_3,
    "Strategy": "retiarii.strategy:Strategy",
}

# evaluators and experiments

_EVALUATOR = _same("retiarii", "Evaluator")

_FUNCTIONAL: Names = {
    "FunctionalEvaluator": Row(
        "retiarii:FunctionalEvaluator", converted={"function": "retiarii.compat._class_functions:takes_class"}
    )
}

_FUNCTIONAL_3 = _same("retiarii", "FunctionalEvaluator")

_LIGHTNING = _same(
    "retiarii.evaluator.pytorch.lightning",
    "Classification",
    "ClassificationModule",
    "DataLoader",
    "Lightning",
    "LightningModule",
    "Regression",
    "RegressionModule",
    "SupervisedLearningModule",
    "Trainer",
)

_DATA_MODULE = {"datamodule": "train_dataloaders"}

_LIGHTNING_3: Names = {
    **_LIGHTNING,
    "Classification": Row("retiarii.evaluator.pytorch.lightning:Classification", renamed=_DATA_MODULE),
    "Lightning": Row("retiarii.evaluator.pytorch.lightning:Lightning", renamed=_DATA_MODULE),
    "Regression": Row("retiarii.evaluator.pytorch.lightning:Regression", renamed=_DATA_MODULE),
}

_EXPERIMENT = _same("retiarii", "RetiariiExeConfig", "RetiariiExperiment", "debug_mutated_model")

_EXPERIMENT_3 = _same("retiarii.compat._nas_experiment", "NasExperiment", "NasExperimentConfig")

_TRAINERS = _same(
    "retiarii.oneshot.pytorch", "DartsTrainer", "EnasTrainer", "ProxylessTrainer", "RandomTrainer", "SinglePathTrainer"
)

# modules

MODULES: Mapping[str, Names] = MappingProxyType(
    {
        "nni": {
            **_REPORT,
            **_SHORTCUTS,
            **_same("retiarii.classic", "NoMoreTrialError"),
            **_same("retiarii", "trace"),
        },
        "nni.common.serializer": {"trace": "retiarii:trace"},
        "nni.mutable": _MUTABLE,
        "nni.trial": _REPORT,
        "nni.tuner": _same("retiarii.classic", "Tuner"),
        **CLASSIC,
        "nni.algorithms.hpo.evolution_tuner": _same("retiarii.classic", "EvolutionTuner"),
        "nni.algorithms.hpo.ppo_tuner": _same("retiarii.classic", "PPOTuner"),
        "nni.algorithms.hpo.ppo_tuner.ppo_tuner": _same("retiarii.classic", "PPOTuner"),
        "nni.algorithms.hpo.random_tuner": _same("retiarii.classic", "RandomTuner"),
        # NNI 2.x
        "nni.retiarii": {
            **_REPORT,
            **_WRAPPERS,
            **_FIXED,
            **_EVALUATOR,
            **_MUTATORS,
            **_GRAPH,
            **_OPERATION,
        },
        "nni.retiarii.codegen": _CODE,
        "nni.retiarii.codegen.pytorch": _CODE,
        "nni.retiarii.converter": _CONVERTER,
        "nni.retiarii.converter.graph_gen": _CONVERTER,
        "nni.retiarii.evaluator": {**_EVALUATOR, **_FUNCTIONAL},
        "nni.retiarii.evaluator.functional": _FUNCTIONAL,
        "nni.retiarii.evaluator.pytorch": _LIGHTNING,
        "nni.retiarii.evaluator.pytorch.lightning": _LIGHTNING,
        "nni.retiarii.experiment": _EXPERIMENT,
        "nni.retiarii.experiment.pytorch": _EXPERIMENT,
        "nni.retiarii.fixed": _FIXED,
        "nni.retiarii.graph": {**_GRAPH, **_EVALUATOR},
        "nni.retiarii.mutator": _MUTATORS,
        "nni.retiarii.hub.pytorch": _HUB,
        "nni.retiarii.hub.pytorch.autoformer": _AUTOFORMER,
        "nni.retiarii.hub.pytorch.mobilenetv3": _same("retiarii.hub.pytorch", "MobileNetV3Space"),
        "nni.retiarii.hub.pytorch.nasbench101": _same("retiarii.hub.pytorch", "NasBench101"),
        "nni.retiarii.hub.pytorch.nasbench201": _same("retiarii.hub.pytorch", "NasBench201"),
        "nni.retiarii.hub.pytorch.nasnet": _HUB_NASNET,
        "nni.retiarii.hub.pytorch.proxylessnas": _same("retiarii.hub.pytorch", "ProxylessNAS"),
        "nni.retiarii.hub.pytorch.shufflenet": _same("retiarii.hub.pytorch", "ShuffleNetSpace"),
        "nni.retiarii.nn.pytorch": {**_CHOICES, **_COMPONENTS},
        "nni.retiarii.nn.pytorch.api": _CHOICES,
        "nni.retiarii.nn.pytorch.cell": _same("retiarii.nn.pytorch", "Cell"),
        "nni.retiarii.nn.pytorch.component": {**_CHOICES, **_COMPONENTS},
        "nni.retiarii.nn.pytorch.hypermodule": _same("retiarii.nn.pytorch", "AutoActivation"),
        "nni.retiarii.nn.pytorch.mutation_utils": _same("retiarii.nn.pytorch.mutation_utils", "Mutable"),
        "nni.retiarii.nn.pytorch.nasbench101": _same("retiarii.nn.pytorch", "NasBench101Cell"),
        "nni.retiarii.nn.pytorch.nasbench201": _same("retiarii.nn.pytorch", "NasBench201Cell"),
        "nni.retiarii.nn.pytorch.nn": {},
        "nni.retiarii.oneshot": _same("retiarii.oneshot.pytorch", "BaseOneShotTrainer"),
        "nni.retiarii.oneshot.pytorch": _TRAINERS,
        "nni.retiarii.oneshot.pytorch.darts": _same("retiarii.oneshot.pytorch", "DartsTrainer"),
        "nni.retiarii.oneshot.pytorch.enas": _same("retiarii.oneshot.pytorch", "EnasTrainer"),
        "nni.retiarii.oneshot.pytorch.proxyless": _same("retiarii.oneshot.pytorch", "ProxylessTrainer"),
        "nni.retiarii.oneshot.pytorch.random": _same("retiarii.oneshot.pytorch", "RandomTrainer", "SinglePathTrainer"),
        "nni.retiarii.oneshot.pytorch.strategy": _ONE_SHOT,
        "nni.retiarii.operation": _OPERATION,
        "nni.retiarii.serializer": {**_WRAPPERS, **_same("retiarii.nn.pytorch", "is_basic_unit")},
        "nni.retiarii.strategy": _STRATEGIES,
        "nni.retiarii.strategy.base": _BASE,
        "nni.retiarii.strategy.bruteforce": _BRUTE_FORCE,
        "nni.retiarii.strategy.evolution": _EVOLUTION,
        "nni.retiarii.strategy.oneshot": _ONE_SHOT,
        "nni.retiarii.strategy.rl": _RL,
        "nni.retiarii.utils": {**_WRAPPERS, **_CONTEXTS},
        # NNI 3.0, and nni.nas of 2.10
        "nni.nas": {**_FIXED, **_WRAPPERS},
        "nni.nas.benchmarks.nasbench101": _NASBENCH101,
        "nni.nas.benchmarks.nasbench101.constants": _NASBENCH101_OPERATORS,
        "nni.nas.benchmarks.nasbench101.model": _NASBENCH101_RECORDS,
        "nni.nas.benchmarks.nasbench101.query": _NASBENCH101_QUERY,
        "nni.nas.benchmarks.nasbench201": _NASBENCH201,
        "nni.nas.benchmarks.nasbench201.constants": _NASBENCH201_OPERATORS,
        "nni.nas.benchmarks.nasbench201.model": _NASBENCH201_RECORDS,
        "nni.nas.benchmarks.nasbench201.query": _NASBENCH201_QUERY,
        "nni.nas.benchmarks.nds": _NDS,
        "nni.nas.benchmarks.nds.constants": _NDS_OPERATORS,
        "nni.nas.benchmarks.nds.model": _NDS_RECORDS,
        "nni.nas.benchmarks.nds.query": _NDS_QUERY,
        "nni.nas.evaluator": {**_EVALUATOR, **_FUNCTIONAL_3},
        "nni.nas.evaluator.functional": _FUNCTIONAL_3,
        "nni.nas.evaluator.pytorch": _LIGHTNING_3,
        "nni.nas.evaluator.pytorch.lightning": _LIGHTNING_3,
        "nni.nas.experiment": {**_EXPERIMENT_3},
        "nni.nas.experiment.config": {
            **_same("retiarii.compat._nas_experiment", "NasExperimentConfig"),
            **_same("retiarii", "RetiariiExeConfig"),
        },
        "nni.nas.experiment.pytorch": _EXPERIMENT,
        "nni.nas.fixed": _FIXED,
        "nni.nas.hub.pytorch": _HUB_3,
        "nni.nas.hub.pytorch.autoformer": _AUTOFORMER_3,
        "nni.nas.hub.pytorch.mobilenetv3": _same("retiarii.hub.pytorch", "MobileNetV3Space"),
        "nni.nas.hub.pytorch.nasbench101": _same("retiarii.hub.pytorch", "NasBench101"),
        "nni.nas.hub.pytorch.nasbench201": _same("retiarii.hub.pytorch", "NasBench201"),
        "nni.nas.hub.pytorch.nasnet": _HUB_NASNET,
        "nni.nas.hub.pytorch.proxylessnas": _same("retiarii.hub.pytorch", "ProxylessNAS"),
        "nni.nas.hub.pytorch.shufflenet": _same("retiarii.hub.pytorch", "ShuffleNetSpace"),
        "nni.nas.hub.pytorch.modules": _same(
            "retiarii.nn.pytorch", "AutoActivation", "NasBench101Cell", "NasBench201Cell"
        ),
        "nni.nas.nn.pytorch": {**_CHOICES_3, **_COMPONENTS, **_SPACES_3},
        "nni.nas.nn.pytorch.base": _SPACES_3,
        "nni.nas.nn.pytorch.cell": _same("retiarii.nn.pytorch", "Cell"),
        "nni.nas.nn.pytorch.choice": _CHOICES_3,
        "nni.nas.nn.pytorch.layers": {},
        "nni.nas.nn.pytorch.repeat": _same("retiarii.nn.pytorch", "Repeat"),
        "nni.nas.oneshot.pytorch": _ONE_SHOT_3,
        "nni.nas.oneshot.pytorch.strategy": _ONE_SHOT_3,
        "nni.nas.oneshot.pytorch.profiler": _same("retiarii.profiler", "RangeProfilerFilter"),
        "nni.nas.profiler": _same("retiarii.profiler", "Profiler"),
        "nni.nas.profiler.pytorch.flops": {"NumParamsProfiler": "retiarii.profiler:ParamsProfiler"},
        "nni.nas.space": {
            **_same("retiarii.graph", "Edge", "Graph", "InvalidMutation", "Mutator", "Node", "StationaryMutator"),
            "BaseModelSpace": "retiarii.compat._model_space:ModelSpace",
            "MutationSampler": "retiarii.graph:Sampler",
            "model_context": Row("retiarii:fixed_arch", defaults={"strict": False}),
        },
        "nni.nas.strategy": _STRATEGIES_3,
        "nni.nas.strategy.base": {**_BASE, **_same("retiarii.strategy", "Strategy")},
        "nni.nas.strategy.bruteforce": _BRUTE_FORCE_3,
        "nni.nas.strategy.evolution": _EVOLUTION_3,
        "nni.nas.strategy.rl": _RL_3,
        "nni.nas.utils": {**_WRAPPERS, **_CONTEXTS},
    }
)

# NNI's modules whose further names are those of one of our modules, with a prefix: module -> (prefix, our module).
CONTINUED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "nni.nas.nn.pytorch": ("Mutable", "retiarii.nn.pytorch"),
        "nni.nas.nn.pytorch.layers": ("Mutable", "retiarii.nn.pytorch"),
        "nni.retiarii.nn.pytorch": ("", "retiarii.nn.pytorch"),
        "nni.retiarii.nn.pytorch.nn": ("", "retiarii.nn.pytorch"),
    }
)

_NEAREST_MODULES = {
    "nni.algorithms.hpo": "retiarii.strategy",
    "nni.algorithms.nas.pytorch.cdarts": "retiarii.strategy.DARTS",
    "nni.algorithms.nas.pytorch.cream": "retiarii.strategy.RandomOneShot",
    "nni.algorithms.nas.tensorflow": "retiarii.RetiariiExperiment",
    "nni.assessor": "retiarii.strategy.MedianStop",
    "nni.experiment": "retiarii.RetiariiExperiment",
    "nni.nas.benchmark": "retiarii.benchmarks.nasbench201",
    "nni.nas.benchmarks": "retiarii.benchmarks.nasbench201",
    "nni.nas.execution": "retiarii.execution.Executor",
    "nni.nas.hub.pytorch": "retiarii.hub.pytorch.StackedCells",
    "nni.nas.oneshot.pytorch.profiler": "retiarii.profiler.ExpectationProfilerPenalty",
    "nni.nas.profiler": "retiarii.profiler.FlopsProfiler",
    "nni.nas.profiler.pytorch.nn_meter": "retiarii.profiler.LatencyTable",
    "nni.nas.pytorch.nn": "retiarii.nn.pytorch",
    "nni.nas.pytorch.search_space_zoo": "retiarii.hub.pytorch.DARTS",
    "nni.nas.tensorflow": "retiarii.RetiariiExperiment",
    "nni.retiarii.execution": "retiarii.execution.Executor",
    "nni.retiarii.hub": "retiarii.hub.pytorch.StackedCells",
    "nni.retiarii.integration": "retiarii.RetiariiExperiment",
    "nni.retiarii.integration_api": "retiarii.report_final_result",
    "nni.retiarii.trainer": "retiarii.evaluator.pytorch.lightning.Classification",
    "nni.retiarii.trial_entry": "retiarii.RetiariiExperiment",
}

_NEAREST_NAMES = {
    "AutoFormer": "retiarii.nn.pytorch.Repeat",
    "CategoricalMultiple": "retiarii.nn.pytorch.InputChoice",
    "Experiment": "retiarii.RetiariiExperiment",
    "FrozenEvaluator": "retiarii.Evaluator",
    "GraphModelSpace": "retiarii.graph.Model",
    "MutableDict": "retiarii.space.SearchSpace",
    "MutableList": "retiarii.space.SearchSpace",
    "TPE": "retiarii.strategy.RegularizedEvolution",
    "TPEStrategy": "retiarii.strategy.RegularizedEvolution",
    "current_model": "retiarii.fixed_arch",
    "dump": "retiarii.evaluator.dumps",
    "get_current_parameter": "retiarii.get_next_parameter",
    "get_experiment_id": "retiarii.TrialContext",
    "get_sequence_id": "retiarii.TrialContext",
    "get_trial_id": "retiarii.TrialContext",
    "load": "retiarii.evaluator.loads",
    "lognormal": "retiarii.nn.pytorch.FloatRange",
    "no_fixed_arch": "retiarii.fixed_arch",
    "normal": "retiarii.nn.pytorch.FloatRange",
    "qnormal": "retiarii.nn.pytorch.FloatRange",
    "randint": "retiarii.nn.pytorch.IntegerRange",
    "submit_models": "retiarii.strategy.Strategy",
    "sync_search_space": "retiarii.strategy.Strategy",
}

# Our nearest names: by NNI's module (including its submodules), or by NNI's name alone.
NEAREST: Mapping[str, str] = MappingProxyType({**_NEAREST_MODULES, **_NEAREST_NAMES})
