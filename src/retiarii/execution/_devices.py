"""`DevicePool`: the GPUs and CPU cores of a machine, shared among trials."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retiarii.errors import ConfigError


@dataclass(frozen=True)
class Device:
    """The device of one trial.

    Attributes:
        label: ``"cpu"``, ``"cuda:1"``, ``"cuda:0,1"``, with GPU numbers as in the user's process.
        visible: The trial's ``CUDA_VISIBLE_DEVICES``; empty if it gets no GPU.
    """

    label: str = "cpu"
    visible: str = ""

    @property
    def gpus(self) -> list[str]:
        """The names of the GPUs, as in ``visible``."""
        return self.visible.split(",") if self.visible else []


class DevicePool:
    """Leases one group of GPUs to each running trial.

    Args:
        groups: Groups of GPUs, by index (as this process counts them) or UUID; None if trials use only the CPU.
        slots: How many trials run at the same time.

    Raises:
        ConfigError: There are fewer groups than slots, or ``CUDA_VISIBLE_DEVICES`` hides a GPU.
    """

    def __init__(self, groups: Sequence[Sequence[int | str]] | None, slots: int) -> None:
        self._num_trials: Counter[str] = Counter()  # on each GPU
        if groups is None:
            self._free = [Device() for _ in range(slots)]
            return
        if len(groups) < slots:
            raise ConfigError(
                f"devices is {[list(group) for group in groups]}: {len(groups)} group(s) for {slots} trials at a time. "
                "Give one group for each slot (name a GPU twice to share it), or lower slots."
            )
        self._free = [_device(group, os.environ) for group in groups]

    def lease(self) -> Device:
        """Return the free device whose GPUs have the fewest trials now; the caller ensures that one is free."""
        device = min(self._free, key=lambda free: max(map(self._num_trials.__getitem__, free.gpus), default=0))
        self._free.remove(device)
        self._num_trials.update(device.gpus)
        return device

    def give_back(self, device: Device) -> None:
        """Return a leased device to the pool."""
        self._free.append(device)
        self._num_trials.subtract(device.gpus)


def cores_for_each(slots: int) -> int:
    """Return the number of cores for each of ``slots`` trials, at least one."""
    affinity = getattr(os, "sched_getaffinity", None)
    num_cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, num_cores // slots)


def _device(group: Sequence[int | str], environment: Mapping[str, str]) -> Device:
    if not group:
        return Device()
    names = ",".join(str(gpu) for gpu in group)
    return Device(f"cuda:{names}", ",".join(_visible_name(gpu, environment) for gpu in group))


def _visible_name(gpu: int | str, environment: Mapping[str, str]) -> str:
    """Return the name of a GPU, given its index in this process, in a child's ``CUDA_VISIBLE_DEVICES``."""
    shown = environment.get("CUDA_VISIBLE_DEVICES")
    if shown is None or not isinstance(gpu, int):
        return str(gpu)
    names = [name.strip() for name in shown.split(",") if name.strip()]
    if not 0 <= gpu < len(names):
        raise ConfigError(
            f"devices names GPU {gpu}, but CUDA_VISIBLE_DEVICES={shown!r} shows this process {len(names)} GPU(s), "
            "counted from 0."
        )
    return names[gpu]
