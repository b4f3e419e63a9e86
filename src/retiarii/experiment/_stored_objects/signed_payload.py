"""`Payload`: the model, evaluator and strategy of an experiment, in a file that is signed by this user, for a resume.

Unpickling runs code, so a payload is read only if it has the signature of a key that is kept in this user's
configuration folder, readable only by this user. A store from another user or machine can be listed, viewed and
exported; resuming it needs the objects themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retiarii.errors import ExperimentError
from retiarii.evaluator import Evaluator, dumps, loads
from retiarii.experiment._control.callbacks import Callback
from retiarii.experiment._stored_objects.private_file import NotPrivateError, read_regular, write_whole
from retiarii.experiment._stored_objects.script_environment import ScriptEnvironment
from retiarii.experiment._stored_objects.signing import MAC_BYTES, is_signed, sign
from retiarii.trial import BaseStrategy

_FILE = "experiment.pickle"
_WAY_OUT = (
    "A script that has the objects can always go on with "
    "RetiariiExperiment.resume(id, base_model=..., evaluator=..., strategy=...)."
)


@dataclass(frozen=True)
class Payload:
    """The objects of an experiment, which are not plain data.

    Attributes:
        base_model: The model with choices, or a bare search space.
        evaluator: The evaluator.
        strategy: The strategy.
        mutators: Mutators on the model's graph.
        settings: Settings of `RetiariiExeConfig` that are objects, by name.
        callbacks: Callbacks with which a resume goes on, unless it gets others.
    """

    base_model: Any
    evaluator: Evaluator
    strategy: BaseStrategy
    mutators: tuple[Any, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    callbacks: tuple[Callback, ...] = ()


@dataclass(frozen=True)
class StoredPayload:
    """A pickled payload whose signature was checked.

    Attributes:
        script_environment: Where the script that made the objects imports its modules from and opens its files.
        pickled: The objects.
        name: The name of the file in messages.
    """

    script_environment: ScriptEnvironment
    pickled: bytes
    name: str

    def load(self) -> Payload:
        """Return the objects; this runs their code, and has to be called inside their script_environment.

        Raises:
            ExperimentError: The objects cannot be loaded, for example because their modules are missing or changed.
        """
        try:
            payload = loads(self.pickled)
        except Exception as error:
            raise ExperimentError(f"{_why_not(error, self.script_environment)} {_WAY_OUT}") from error
        if not isinstance(payload, Payload):
            raise ExperimentError(f"{self.name} holds a {type(payload).__name__}, not an experiment. {_WAY_OUT}")
        return payload


def pack(payload: Payload) -> bytes:
    """Return the payload, with the import path of this process, as signed bytes.

    Raises:
        SerializationError: A part of it cannot be pickled; the message names it.
        ExperimentError: The key for signatures is missing or not trustworthy.
    """
    header = json.dumps(ScriptEnvironment.here().to_json()).encode("ascii")
    data = header + b"\n" + dumps(payload, "experiment")
    return sign(data) + data


def save_payload(directory: Path, packed: bytes) -> None:
    """Write the bytes that `pack` returned to an experiment's folder.

    Raises:
        StoreFullError: There is no space left; no partial file stays.
        StorageError: The folder cannot be written.
    """
    write_whole(directory / _FILE, packed)


def read_payload(directory: Path) -> StoredPayload:
    """Read a payload that this user wrote on this machine.

    Raises:
        ExperimentError: There is no payload, or its signature is not this user's.
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
    """Return the reason for which the objects of an experiment cannot be loaded, and the remedy."""
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
