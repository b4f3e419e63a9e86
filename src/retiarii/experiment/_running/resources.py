"""`allocate`: the devices of trials, decided once at the start of an experiment."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from retiarii.errors import ConfigError
from retiarii.experiment._running.gpus import busy_gpus, count_gpus
from retiarii.experiment._settings.config import RetiariiExeConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Resources:
    """The resources of trials.

    Attributes:
        slots: How many trials run at the same time.
        devices: Groups of GPU indices, one leased to each running trial; None if trials use no GPU.
    """

    slots: int
    devices: tuple[tuple[int, ...], ...] | None = None


def allocate(config: RetiariiExeConfig, *, num_gpus: int | None = None, busy: Sequence[int] | None = None) -> Resources:
    """Divide the machine's GPUs among trials.

    Args:
        config: The experiment's settings.
        num_gpus: The number of GPUs of this machine; None counts them, without initialising CUDA.
        busy: The GPUs on which other programs compute; None asks ``nvidia-smi``.

    Raises:
        ConfigError: A trial asks for more GPUs than can be used.
    """
    service = config.training_service
    if config.trial_gpu_number == 0:
        return Resources(config.trial_concurrency)
    usable = _usable_gpus(config, num_gpus, busy)
    per_trial = 1 if config.trial_gpu_number is None else config.trial_gpu_number
    if not usable and config.trial_gpu_number is None:
        return Resources(config.trial_concurrency)
    if not usable and config.training_service.gpu_indices is None and not (num_gpus or count_gpus()):
        raise ConfigError(
            f"trial_gpu_number is {per_trial}, but this machine has no GPU to use (torch.cuda.device_count(), or "
            "nvidia-smi where torch is not imported, shows 0). Leave it out, or set it to 0, to train on the CPU; "
            "`retiarii doctor` shows what torch was built for."
        )
    if len(usable) < per_trial:
        more = ""
        if service.use_active_gpu is False:
            more = ", or set training_service.use_active_gpu = True to use GPUs on which other programs compute"
        raise ConfigError(
            f"trial_gpu_number is {per_trial}, but the GPUs to use are {usable or 'none'}. Lower it (0 trains on the "
            f"CPU){more}."
        )
    groups = [tuple(usable[i : i + per_trial]) for i in range(0, len(usable) - per_trial + 1, per_trial)]
    groups = groups * service.max_trial_number_per_gpu
    slots = min(config.trial_concurrency, len(groups))
    if slots < config.trial_concurrency:
        logger.warning(
            "trial_concurrency is %d, but %d GPUs with %d for each trial and %d trials on each serve %d at a time. "
            "Raise training_service.max_trial_number_per_gpu to share GPUs.",
            config.trial_concurrency,
            len(usable),
            per_trial,
            service.max_trial_number_per_gpu,
            slots,
        )
    return Resources(slots, tuple(groups))


def _usable_gpus(config: RetiariiExeConfig, num_gpus: int | None, busy: Sequence[int] | None) -> list[int]:
    service = config.training_service
    if num_gpus is None:
        num_gpus = count_gpus()
    wanted = list(range(num_gpus)) if service.gpu_indices is None else list(service.gpu_indices)
    missing = [index for index in wanted if not 0 <= index < num_gpus]
    if missing:
        raise ConfigError(f"training_service.gpu_indices names {missing}, but this machine has {num_gpus} GPUs.")
    if service.use_active_gpu is not False or not wanted:
        return wanted
    active = set(busy_gpus() if busy is None else busy)
    skipped = [index for index in wanted if index in active]
    if skipped:
        logger.warning(
            "GPUs %s are not used: other programs compute on them. "
            "Set training_service.use_active_gpu = True to use them all the same.",
            skipped,
        )
    return [index for index in wanted if index not in active]
