"""Arguments of ``Trainer``: translation from PyTorch Lightning 1 to 2, and clear errors for unknown ones."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Collection, Mapping
from typing import Any

from retiarii.errors import ArgumentError
from retiarii.evaluator.pytorch._lightning_extra import pytorch_lightning
from retiarii.space import nearest

TRAINER_ARGUMENTS = tuple(name for name in inspect.signature(pytorch_lightning.Trainer).parameters if name != "self")

_Changes = dict[str, Any]


def check_names(owner: str, given: Collection[str], known: Collection[str]) -> None:
    """Check that all arguments belong to an object or to ``Trainer``, in any version of Lightning.

    Args:
        owner: The name of the object, for the message.
        given: The names of the given arguments.
        known: The names of the object's own arguments.

    Raises:
        ArgumentError: A name is unknown; the message shows the most similar one.
    """
    allowed = {*known, *TRAINER_ARGUMENTS, *_RENAMED, *_WITHOUT_EFFECT, *_GONE}
    for name in given:
        if name not in allowed:
            hint = nearest(name, [*known, *TRAINER_ARGUMENTS])
            where = "" if owner == "Trainer" else ", nor has the Trainer to which it passes further ones on"
            raise ArgumentError(f"{owner} has no argument {name!r}{where}.{hint}")


def modern_arguments(given: Mapping[str, Any], *, warn: bool = True) -> dict[str, Any]:
    """Return arguments of ``Trainer`` with arguments of Lightning 1 translated to Lightning 2.

    Args:
        given: The arguments.
        warn: Whether to warn about translated arguments.

    Raises:
        ArgumentError: An argument is unknown, or Lightning 2 has no replacement for it.
    """
    check_names("Trainer", given, ())
    modern = {name: value for name, value in given.items() if name in TRAINER_ARGUMENTS}
    notes = [f"{name}=None can be left out" for name in _NONE_BEFORE if modern.get(name, ...) is None]
    modern = {name: value for name, value in modern.items() if value is not None or name not in _NONE_BEFORE}
    if isinstance(modern.get("accelerator"), str) and modern["accelerator"] in _STRATEGIES:
        strategy = _STRATEGIES[modern.pop("accelerator")]
        modern.setdefault("strategy", strategy)
        notes.append(f"accelerator={given['accelerator']!r} is now strategy={strategy!r}")
    for name, value in given.items():
        if name not in TRAINER_ARGUMENTS:
            changes = _translated(name, value)
            notes.append(_note(name, value, changes))
            added = changes.pop("callbacks", [])
            modern = {**changes, **modern}  # arguments of Lightning 2 take precedence
            if added:
                modern["callbacks"] = [*as_list(modern.get("callbacks")), *added]
    if notes and warn:
        warnings.warn(f"Arguments of Lightning 1 for Trainer: {'; '.join(notes)}.", FutureWarning, stacklevel=4)
    return modern


def as_list(callbacks: Any) -> list[Any]:
    """Return the argument ``callbacks``, which may be None, one callback or several, as a list."""
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


def _translated(name: str, value: Any) -> _Changes:
    if name in _GONE:
        if not value:  # it changes nothing
            return {}
        raise ArgumentError(f"Trainer has no argument {name!r} any more (got {value!r}): {_GONE[name]}")
    return {} if name in _WITHOUT_EFFECT else _RENAMED[name](value)


def _note(name: str, value: Any, changes: _Changes) -> str:
    if not changes:
        return f"{name}={value!r} has no effect and can be left out"
    return f"{name}={value!r} is now {', '.join(f'{key}={_shown(new)}' for key, new in changes.items())}"


def _shown(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], pytorch_lightning.Callback):
        return f"[{', '.join(f'{type(item).__name__}(...)' for item in value)}]"
    return repr(value)


def _devices(accelerator: str) -> Callable[[Any], _Changes]:
    def change(value: Any) -> _Changes:
        if not value:  # None, 0 or []: none of these devices
            return {"accelerator": "cpu"} if accelerator == "gpu" and value is not None else {}
        return {"accelerator": accelerator, "devices": value}

    return change


def _progress_bar(rate: int | None) -> _Changes:
    if rate is None or rate == 1:
        return {"enable_progress_bar": True}
    if rate <= 0:
        return {"enable_progress_bar": False}
    return {"callbacks": [pytorch_lightning.callbacks.TQDMProgressBar(refresh_rate=rate)]}


def _summary(mode: str | None) -> _Changes:
    if mode == "full":
        return {"enable_model_summary": True, "callbacks": [pytorch_lightning.callbacks.ModelSummary(max_depth=-1)]}
    return {"enable_model_summary": mode is not None}


def _callback(switch: str | None) -> Callable[[Any], _Changes]:
    def change(value: Any) -> _Changes:
        if isinstance(value, pytorch_lightning.Callback):
            return {"callbacks": [value]}
        return {} if switch is None else {switch: bool(value)}

    return change


def _to(name: str) -> Callable[[Any], _Changes]:
    return lambda value: {} if value is None else {name: value}


_STRATEGIES = {"dp": "ddp", "ddp": "ddp", "ddp2": "ddp", "ddp_cpu": "ddp", "ddp_spawn": "ddp_spawn"}

_RENAMED: dict[str, Callable[[Any], _Changes]] = {
    "checkpoint_callback": _callback("enable_checkpointing"),
    "distributed_backend": lambda value: {} if value is None else {"strategy": _STRATEGIES.get(value, value)},
    "early_stop_callback": _callback(None),
    "gpus": _devices("gpu"),
    "hpus": _devices("hpu"),
    "log_save_interval": _to("log_every_n_steps"),
    "num_processes": _devices("cpu"),
    "progress_bar_refresh_rate": _progress_bar,
    "reload_dataloaders_every_epoch": lambda value: {"reload_dataloaders_every_n_epochs": int(bool(value))},
    "replace_sampler_ddp": _to("use_distributed_sampler"),
    "row_log_interval": _to("log_every_n_steps"),
    "terminate_on_nan": lambda value: {"detect_anomaly": bool(value)},
    "tpu_cores": _devices("tpu"),
    "weights_save_path": _to("default_root_dir"),
    "weights_summary": _summary,
}

# Arguments whose default was None and that must not be None any more.
_NONE_BEFORE = ("accelerator", "devices", "max_steps", "num_nodes", "strategy")

_WITHOUT_EFFECT = (
    "amp_backend",
    "auto_select_gpus",
    "flush_logs_every_n_steps",
    "log_gpu_memory",
    "move_metrics_to_cpu",
    "prepare_data_per_node",
    "process_position",
)

_GONE = {
    "amp_level": "set precision, for example precision='16-mixed'.",
    "auto_lr_find": "search the learning rate instead, as a choice in the evaluator's arguments.",
    "auto_scale_batch_size": "search the batch size instead, as a choice in the DataLoader's arguments.",
    "ipus": "Lightning does not support these devices any more.",
    "multiple_trainloader_mode": "wrap the loaders in pytorch_lightning.utilities.CombinedLoader(loaders, mode).",
    "resume_from_checkpoint": "give the evaluator fit_kwargs={'ckpt_path': ...}.",
    "stochastic_weight_avg": "give callbacks=[pytorch_lightning.callbacks.StochasticWeightAveraging(swa_lrs=...)].",
    "track_grad_norm": "log the norm in the module's on_before_optimizer_step.",
    "truncated_bptt_steps": "split the sequence in the module's training_step, with automatic_optimization = False.",
}
