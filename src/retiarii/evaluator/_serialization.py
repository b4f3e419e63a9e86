"""`dumps` and `loads`: objects as bytes for other processes, with clear errors for objects that cannot be pickled."""

from __future__ import annotations

import io
import pickle
from typing import Any, NoReturn

import cloudpickle

from retiarii._lazy import is_a
from retiarii.errors import SerializationError
from retiarii.evaluator._trace import build, traced_call


def dumps(obj: Any, name: str) -> bytes:
    """Pickle an object for another process of the same experiment.

    Traced objects are pickled as their constructor and arguments; one that is used in several places is built once.
    Functions and classes of ``__main__``, of notebooks and of other functions are pickled by value.

    Args:
        obj: Any object.
        name: The object's name in messages, for example ``"evaluator"``.

    Raises:
        SerializationError: ``obj`` cannot be pickled; the message names the part that is the cause, and the remedy.
    """
    stream = io.BytesIO()
    try:
        _Pickler(stream).dump(obj)
    except SerializationError as err:
        _refuse(obj, name, err)
    except Exception as err:  # noqa: BLE001 - pickling an object may raise any exception
        _refuse(obj, name, err)
    return stream.getvalue()


def loads(data: bytes) -> Any:
    """Unpickle the object from the bytes that `dumps` returned.

    This runs code in the bytes, so use it only for bytes that this user's own processes wrote, in the same experiment.
    Architectures and metrics may come from others; they are JSON and never pickled.
    """
    return pickle.loads(data)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc] # cloudpickle has no type hints
    """A cloudpickle pickler that writes traced objects as constructor and arguments."""

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
            f"{name} cannot be sent to another process: it is nested too deeply ({err}). Break up long chains of "
            "objects, or build it inside the evaluation."
        ) from err
    from retiarii.evaluator._culprit import explain, find_culprit  # few objects are refused

    path, culprit, cause = find_culprit(obj, name, err, _try)
    raise SerializationError(
        f"{path} ({type(culprit).__name__}) cannot be sent to another process: {cause}. {explain(culprit)}"
    ) from err


class _Nowhere(io.RawIOBase):
    """A file that discards its content, so that the search for a culprit needs no memory."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data)


def _try(obj: Any) -> Exception | None:
    """Return the error of pickling an object; None if it can be pickled."""
    try:
        _Pickler(_Nowhere()).dump(obj)
    except Exception as err:  # noqa: BLE001 - pickling an object may raise any exception
        return err
    return None
