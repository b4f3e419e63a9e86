"""The GPUs of this machine: their number, and which are in use."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence

logger = logging.getLogger(__name__)

_SMI_S = 30.0  # the time limit of nvidia-smi, which hangs with a broken driver


def count_gpus() -> int:
    """Return the number of GPUs: by torch if it is imported, else by ``nvidia-smi``."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.cuda.device_count())
    try:
        gpus = _gpus()
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as error:
        logger.warning("Whether this machine has GPUs is not known, so none are used: %s", error)
        return 0
    everything = {uuid for _, uuid in gpus}
    return len(as_torch_counts(gpus, everything, os.environ.get("CUDA_VISIBLE_DEVICES")))


def busy_gpus() -> list[int]:
    """Return the indices, as in torch, of the GPUs with compute processes; desktop graphics are ignored."""
    try:
        gpus = _gpus()
        used = {row[0] for row in _query("compute-apps", "gpu_uuid")} if gpus else set()
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as error:
        logger.warning("Whether other programs compute on the GPUs is not known, so all are used: %s", error)
        return []
    return as_torch_counts(gpus, used, os.environ.get("CUDA_VISIBLE_DEVICES"))


def _gpus() -> list[tuple[str, str]]:
    """Return index and UUID of every GPU of the machine."""
    return [(row[0], row[1]) for row in _query("gpu", "index", "uuid") if len(row) == 2]


def _query(kind: str, *names: str) -> list[list[str]]:
    """Return a table of ``nvidia-smi``; an empty one if the program is not installed."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, f"--query-{kind}={','.join(names)}", "--format=csv,noheader"]
    output = subprocess.run(command, capture_output=True, text=True, timeout=_SMI_S, check=True).stdout
    return [[cell.strip() for cell in line.split(",")] for line in output.splitlines() if line.strip()]


def as_torch_counts(gpus: Sequence[tuple[str, str]], used: Collection[str], visible: str | None) -> list[int]:
    """Return the indices of the visible GPUs that are used.

    Args:
        gpus: The index and the UUID of every GPU of the machine.
        used: The UUIDs of the GPUs with compute processes.
        visible: The value of ``CUDA_VISIBLE_DEVICES``: indices or beginnings of UUIDs; None for all GPUs.
    """
    if visible is None:
        return [number for number, (_, uuid) in enumerate(gpus) if uuid in used]
    names = [name.strip() for name in visible.split(",") if name.strip()]

    def is_used(name: str) -> bool:
        return any(
            uuid in used for index, uuid in gpus if name == index or (name[:1].isalpha() and uuid.startswith(name))
        )

    return [number for number, name in enumerate(names) if is_used(name)]
