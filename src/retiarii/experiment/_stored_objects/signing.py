"""The key that signs payloads: a private file in the user's configuration folder, never beside a store.

A program that has the key can write payloads whose code runs at a resume. The key is therefore used only if no other
user can have read or written it: it must be a regular file of 32 bytes, owned by this user and not readable by others,
in a folder that only this user can write to.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from retiarii.errors import ExperimentError
from retiarii.experiment._stored_objects.private_file import NotPrivateError, read_regular

MAC_BYTES = hashlib.sha256().digest_size
_KEY_BYTES = 32
_FILE = "signing.key"


def config_home() -> Path:
    """Return the configuration folder: ``$RETIARII_CONFIG_HOME``, or ``retiarii`` in ``$XDG_CONFIG_HOME``.

    If neither is set, it is ``~/.config/retiarii``.
    """
    chosen = os.environ.get("RETIARII_CONFIG_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".config") / "retiarii"


def sign(data: bytes) -> bytes:
    """Return this user's signature for some data; the first call creates the key.

    Raises:
        ExperimentError: The key is not private, is damaged, or cannot be read or created.
    """
    return hmac.new(_key(), data, hashlib.sha256).digest()


def is_signed(mac: bytes, data: bytes) -> bool:
    """Return whether `sign` made this signature.

    Raises:
        ExperimentError: As in `sign`.
    """
    return hmac.compare_digest(mac, sign(data))


def _key() -> bytes:
    path = config_home() / _FILE
    way_out = (
        f"Delete {str(path)!r} to get a new key (experiments signed with the old one are then resumed from their "
        "scripts), or name another folder with the environment variable RETIARII_CONFIG_HOME."
    )
    try:
        key = _read_or_make(path)
    except (NotPrivateError, OSError) as err:
        found = err.strerror if isinstance(err, OSError) else err
        raise ExperimentError(
            f"The key that signs experiments cannot be trusted: {str(path)!r} {found or err}. Expected a file that "
            f"only you can read, in a folder that only you can write. {way_out}"
        ) from err
    if len(key) != _KEY_BYTES:
        raise ExperimentError(
            f"The key that signs experiments is damaged: {str(path)!r} has {len(key)} bytes, expected {_KEY_BYTES}. "
            f"{way_out}"
        )
    return key


def _read_or_make(path: Path) -> bytes:
    try:
        return read_regular(path, is_private=True)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{_FILE}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process created one meanwhile, which is used
            os.link(temporary, path)
    finally:
        temporary.unlink()
    return read_regular(path, is_private=True)
