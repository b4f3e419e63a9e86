"""Objects on their way to another process, and what to tell the user when one cannot go."""

from __future__ import annotations

import io
import pickle
from typing import Any, NoReturn

import cloudpickle

from retiarii._lazy import is_a
from retiarii.errors import SerializationError
from retiarii.evaluator._trace import build, traced_call


def dumps(obj: Any, name: str) -> bytes:
    """Turn an object into bytes for another process of the same experiment.

    Traced objects travel as their constructor and its arguments; one that is used in several places is built once.
    Functions and classes of ``__main__``, of notebooks and of other functions travel by value.

    Args:
        obj: Any object.
        name: What messages call it, for example ``"evaluator"``.

    Raises:
        SerializationError: It cannot travel; the message names the part that is the cause, and what to do.
    """
    stream = io.BytesIO()
    try:
        _Pickler(stream).dump(obj)
    except SerializationError as err:
        _refuse(obj, name, err)
    except Exception as err:  # noqa: BLE001 - objects raise whatever they like when they are pickled
        _refuse(obj, name, err)
    return stream.getvalue()


def loads(data: bytes) -> Any:
    """Turn the bytes of `dumps` back into the object.

    This runs code that is in the bytes, so it is only for those that this user's own processes wrote, in the same
    experiment. Architectures and metrics, which come from elsewhere too, are JSON and never go through here.
    """
    return pickle.loads(data)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc] # cloudpickle has no type hints
    """A cloudpickle that sends traced objects as constructor and arguments."""

    def reducer_override(self, obj: Any) -> Any:
        call = traced_call(obj)
        if call is not None:
            return build, (call,)
        if is_a(obj, "torch:Tensor") and obj.device.type != "cpu":
            raise SerializationError(f"it is a tensor on {obj.device}")
        return super().reducer_override(obj)


def _refuse(obj: Any, name: str, err: Exception) -> NoReturn:
    if isinstance(err, RecursionError) or isinstance(err.__cause__, RecursionError):
        raise SerializationError(
            f"{name} cannot travel to another process: it is nested too deeply ({err}). Break up long chains of "
            "objects, or build it inside the evaluation."
        ) from err
    from retiarii.evaluator._culprit import explain, find_culprit  # few objects are refused

    path, culprit, cause = find_culprit(obj, name, err, _try)
    raise SerializationError(
        f"{path} ({type(culprit).__name__}) cannot travel to another process: {cause}. {explain(culprit)}"
    ) from err


class _Nowhere(io.RawIOBase):
    """A file that forgets what is written to it, so that looking for a culprit needs no memory."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data)


def _try(obj: Any) -> Exception | None:
    """Return why an object cannot be pickled; None if it can."""
    try:
        _Pickler(_Nowhere()).dump(obj)
    except Exception as err:  # noqa: BLE001 - objects raise whatever they like when they are pickled
        return err
    return None
