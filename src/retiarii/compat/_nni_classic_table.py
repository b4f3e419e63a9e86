"""The rows of the table for the classic API of NNI 1.x, whose modules were all in ``nni.nas.pytorch``.

NNI 2.0 moved the algorithms to ``nni.algorithms.nas.pytorch``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

_OURS = "retiarii.classic.pytorch"

_NAMES = {
    "": (),
    "base_mutator": ("BaseMutator",),
    "base_trainer": ("BaseTrainer",),
    "callbacks": ("ArchitectureCheckpoint", "Callback", "LRSchedulerCallback", "ModelCheckpoint"),
    "classic_nas": ("ClassicMutator", "get_and_apply_next_architecture"),
    "darts": ("DartsMutator", "DartsTrainer"),
    "enas": ("EnasMutator", "EnasTrainer"),
    "fbnet": ("FBNetMutator", "FBNetTrainer", "LookUpTable", "NASConfig", "RegularizerLoss"),
    "fixed": ("FixedArchitecture", "apply_fixed_architecture"),
    "mutables": ("InputChoice", "LayerChoice", "Mutable", "MutableScope"),
    "mutator": ("Mutator",),
    "pdarts": ("PdartsMutator", "PdartsTrainer"),
    "proxylessnas": ("ProxylessNasMutator", "ProxylessNasTrainer"),
    "random": ("RandomMutator",),
    "spos": ("SPOSEvolution", "SPOSSupernetTrainer", "SPOSSupernetTrainingMutator"),
    "trainer": ("Trainer",),
    "utils": ("AverageMeter", "AverageMeterGroup", "StructuredMutableTreeNode", "to_device"),
}

# Algorithms, each of which had a module for the mutator and one for the trainer.
_ALGORITHMS = ("classic_nas", "darts", "enas", "fbnet", "pdarts", "proxylessnas", "random", "spos")
_OTHER_FILES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "fbnet": {"utils": ("LookUpTable", "NASConfig", "RegularizerLoss")},
    "spos": {"evolution": ("SPOSEvolution",)},
}


def _rows(module: str) -> dict[str, str]:
    return {name: f"{_OURS}.{module}:{name}" for name in _NAMES[module]}


def _modules(root: str, modules: Iterable[str]) -> dict[str, Mapping[str, str]]:
    found: dict[str, Mapping[str, str]] = {}
    for module in modules:
        found[f"{root}.{module}".rstrip(".")] = rows = _rows(module)
        if module in _ALGORITHMS:
            trainers = {name: row for name, row in rows.items() if name.endswith("Trainer")}
            found[f"{root}.{module}.mutator"] = {name: row for name, row in rows.items() if name not in trainers}
            if trainers:
                found[f"{root}.{module}.trainer"] = trainers
        for file, names in _OTHER_FILES.get(module, {}).items():
            found[f"{root}.{module}.{file}"] = {name: rows[name] for name in names}
    return found


CLASSIC: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {**_modules("nni.nas.pytorch", _NAMES), **_modules("nni.algorithms.nas.pytorch", ("", *_ALGORITHMS))}
)
