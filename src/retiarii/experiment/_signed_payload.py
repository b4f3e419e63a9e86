"""What ``resume`` needs besides the store: the model, evaluator and strategy, as this user's own signed file.

Unpickling runs code, so a payload is only read if it carries the signature of a key that lives in this user's
configuration folder, is readable by this user alone, and never leaves the machine. A store that came from elsewhere can
be listed, viewed and exported; resuming it needs the objects themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retiarii.errors import ExperimentError
from retiarii.evaluator import Evaluator, dumps, loads
from retiarii.experiment._private_file import NotPrivateError, read_regular, write_whole
from retiarii.experiment._script_environment import ScriptEnvironment
from retiarii.experiment._signing import MAC_BYTES, is_signed, sign
from retiarii.trial import BaseStrategy

_FILE = "experiment.pickle"
_WAY_OUT = (
    "A script that has the objects can always go on with "
    "RetiariiExperiment.resume(id, base_model=..., evaluator=..., strategy=...)."
)


@dataclass(frozen=True)
class Payload:
    """The objects of an experiment that are not plain data.

    Attributes:
        base_model: The model with choices in it, or a bare search space.
        evaluator: What measures an architecture.
        strategy: What proposes architectures.
        mutators: Mutators on the model's graph.
        settings: Settings of `RetiariiExeConfig` that are objects, by name.
    """

    base_model: Any
    evaluator: Evaluator
    strategy: BaseStrategy
    mutators: tuple[Any, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredPayload:
    """A payload as bytes whose signature was checked.

    Attributes:
        script_environment: Where the script that made the objects imports its modules from and opens its files.
        pickled: The objects.
        name: What messages call the file.
    """

    script_environment: ScriptEnvironment
    pickled: bytes
    name: str

    def load(self) -> Payload:
        """Return the objects; this runs their code, and has to be called inside their script_environment.

        Raises:
            ExperimentError: What they need is not there any more, or changed.
        """
        try:
            payload = loads(self.pickled)
        except Exception as error:
            raise ExperimentError(f"{_why_not(error, self.script_environment)} {_WAY_OUT}") from error
        if not isinstance(payload, Payload):
            raise ExperimentError(f"{self.name} holds a {type(payload).__name__}, not an experiment. {_WAY_OUT}")
        return payload


def pack(payload: Payload) -> bytes:
    """Return the payload, and where this process imports its modules from, as signed bytes.

    Raises:
        SerializationError: Something in it cannot be pickled; the message names it.
        ExperimentError: There is no key to sign with that can be trusted.
    """
    header = json.dumps(ScriptEnvironment.here().to_json()).encode("ascii")
    data = header + b"\n" + dumps(payload, "experiment")
    return sign(data) + data


def save_payload(directory: Path, packed: bytes) -> None:
    """Write what `pack` returned into an experiment's folder.

    Raises:
        StoreFullError: There is no space left; nothing of it stays.
        StorageError: The folder cannot be written.
    """
    write_whole(directory / _FILE, packed)


def read_payload(directory: Path) -> StoredPayload:
    """Read a payload that this user wrote on this machine.

    Raises:
        ExperimentError: There is none, or its signature is not this user's.
    """
    try:
        content = read_regular(directory / _FILE, is_private=False)
    except FileNotFoundError:
        raise ExperimentError(
            f"{directory} holds no model, evaluator and strategy to resume with. {_WAY_OUT}"
        ) from None
    except (NotPrivateError, OSError) as err:
        found = f"cannot be read ({err.strerror or err})" if isinstance(err, OSError) else str(err)
        raise ExperimentError(f"{directory / _FILE} {found}. {_WAY_OUT}") from err
    mac, data = content[:MAC_BYTES], content[MAC_BYTES:]
    if not is_signed(mac, data):
        raise ExperimentError(
            f"{directory / _FILE} was not written by this user on this machine (or was damaged), and loading it would "
            f"run whatever code is in it. {_WAY_OUT}"
        )
    header, _, pickled = data.partition(b"\n")
    try:
        script_environment = ScriptEnvironment.from_json(json.loads(header))
    except ValueError as error:
        raise ExperimentError(f"{directory / _FILE} was written by another version of retiarii. {_WAY_OUT}") from error
    return StoredPayload(script_environment, pickled, str(directory / _FILE))


def _why_not(error: Exception, script_environment: ScriptEnvironment) -> str:
    """Return why the objects of an experiment cannot be loaded, and what can be done about it."""
    what = "The model, evaluator and strategy of this experiment cannot be loaded"
    if not isinstance(error, ModuleNotFoundError):
        return f"{what}: {type(error).__name__}: {error}. Undo what was changed in their modules."
    looked_in = ", ".join(script_environment.before or script_environment.after) or "no folder of its own"
    gone = ", ".join(script_environment.missing)
    moved = f"; of these, {gone} is not there any more" if gone else ""
    return (
        f"{what}: there is no module {error.name!r}. The script that made them imported from {looked_in}{moved}. Say "
        f"where {error.name!r} is now with PYTHONPATH=FOLDER, or install it."
    )
