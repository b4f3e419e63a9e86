"""What ``resume`` needs besides the store: the model, evaluator and strategy, as this user's own signed file.

Unpickling runs code, so a payload is only read if it carries the signature of a key that lives in this user's
experiments folder, is readable by this user alone, and never leaves the machine. A store that came from elsewhere can
be listed, viewed and exported; resuming it needs the objects themselves.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retiarii.errors import ExperimentError
from retiarii.evaluator import Evaluator, dumps, loads
from retiarii.oneshot import OneShotStrategy
from retiarii.storage import experiments_home
from retiarii.strategy import Strategy

_FILE = "experiment.pickle"
_MAC_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Payload:
    """The objects of an experiment that are not plain data."""

    base_model: Any
    evaluator: Evaluator
    strategy: Strategy | OneShotStrategy
    mutators: tuple[Any, ...] = ()


def pack(payload: Payload) -> bytes:
    """Return the payload as signed bytes.

    Raises:
        SerializationError: Something in it cannot be pickled; the message names it.
    """
    data = dumps(payload, "experiment")
    return _sign(data) + data


def save_payload(directory: Path, packed: bytes) -> None:
    """Write what `pack` returned into an experiment's folder."""
    temporary = directory / f"{_FILE}.tmp"
    temporary.write_bytes(packed)
    os.replace(temporary, directory / _FILE)


def load_payload(directory: Path) -> Payload:
    """Read a payload that this user wrote on this machine.

    Raises:
        ExperimentError: There is none, or its signature is not this user's.
    """
    way_out = (
        "Give the objects to resume from your script: "
        "RetiariiExperiment.resume(id, base_model=..., evaluator=..., strategy=...)."
    )
    try:
        content = (directory / _FILE).read_bytes()
    except FileNotFoundError:
        raise ExperimentError(f"{directory} holds no model, evaluator and strategy to resume with. {way_out}") from None
    mac, data = content[:_MAC_BYTES], content[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _sign(data)):
        raise ExperimentError(
            f"{directory / _FILE} was not written by this user on this machine (or was damaged), and loading it would "
            f"run whatever code is in it. {way_out}"
        )
    payload = loads(data)
    if not isinstance(payload, Payload):
        raise ExperimentError(f"{directory / _FILE} holds a {type(payload).__name__}, not an experiment. {way_out}")
    return payload


def _sign(data: bytes) -> bytes:
    return hmac.new(_key(), data, hashlib.sha256).digest()


def _key() -> bytes:
    path = experiments_home() / "signing.key"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"signing.key.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(32))
    try:
        os.link(temporary, path)  # fails if another process made one meanwhile: then that one counts
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    return path.read_bytes()
