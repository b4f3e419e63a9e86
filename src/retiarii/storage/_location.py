"""`Location`: the file or database that a path or URL of a store names."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retiarii._registry import Registry
from retiarii.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

STORES = Registry("store", {}, "retiarii.stores")
"""Functions ``(url, *, create) -> Store`` of other packages, by the scheme of their URLs."""

_DATABASE_NAME = "retiarii.db"
_ACCEPTED = "a path, 'sqlite:///path/to/file.db' or 'postgresql://user:password@host/database'"
_POSTGRESQL_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):[^/@]*@")


def experiments_home() -> Path:
    """Return the folder of this user's experiments: ``$RETIARII_HOME``, or ``~/retiarii-experiments``.

    The folder is made when something is stored in it, not here.
    """
    chosen = os.environ.get("RETIARII_HOME")
    return Path(chosen).expanduser().absolute() if chosen else Path.home() / "retiarii-experiments"


@dataclass(frozen=True)
class Location:
    """The location of a store.

    Attributes:
        url: The URL for SQLAlchemy.
        path: The database file of an SQLite store; None for a server.
        files: The folder with one folder of artefacts per experiment.
    """

    url: URL
    path: Path | None
    files: Path

    def __str__(self) -> str:
        return self.spelled(hide_password=True) if self.path is None else str(self.path)

    def spelled(self, *, hide_password: bool) -> str:
        """Return the URL without the name of the driver, as other programs write it."""
        return self.url.set(drivername=self.url.get_backend_name()).render_as_string(hide_password=hide_password)


def other_url(storage: str | Path | None) -> str | None:
    """Return the URL of a store of another package; None for paths, built-in URLs and unknown URLs.

    Args:
        storage: As for `locate`.

    Raises:
        ConfigError: The URL contains a NUL character.
    """
    chosen = _chosen(storage)
    if isinstance(chosen, Path) or (scheme := scheme_of(chosen)) in ("", "sqlite", *_POSTGRESQL_SCHEMES):
        return None
    return chosen if scheme in STORES.names() else None


def scheme_of(url: str) -> str:
    """Return the scheme of a URL, ``""`` for a path."""
    return url.partition("://")[0] if "://" in url else ""


def described(storage: str | Path | None) -> str:
    """Return the name of a store, which need not exist, in messages: a path, or a URL without its password.

    Raises:
        ConfigError: The URL is malformed or of a kind that is not supported.
    """
    url = other_url(storage)
    return str(locate(storage)) if url is None else _PASSWORD.sub(r"\1:***@", url)


def locate(storage: str | Path | None) -> Location:
    """Return the location of a store from a path, a URL or the environment.

    Args:
        storage: A path or URL; None for ``$RETIARII_STORAGE`` or else the SQLite file in `experiments_home`.

    Returns:
        The location; nothing has been opened or made yet.

    Raises:
        ConfigError: The URL is malformed or of a kind that is not supported.
    """
    from sqlalchemy.engine import make_url  # here, since it takes long to import
    from sqlalchemy.exc import ArgumentError

    chosen = _chosen(storage)
    if isinstance(chosen, Path) or not scheme_of(chosen):
        return _file(Path(chosen))
    try:
        url = make_url(chosen)
    except (ArgumentError, ValueError) as err:
        raise ConfigError(f"The storage URL cannot be read ({err}). Expected {_ACCEPTED}.") from err
    if url.drivername in _POSTGRESQL_SCHEMES:
        return Location(url.set(drivername="postgresql+psycopg"), None, experiments_home() / "postgresql.files")
    if url.drivername != "sqlite":
        others = "".join(f", or {name}://..." for name in STORES.names())
        raise ConfigError(f"Storage of the kind {url.drivername!r} is not supported. Expected {_ACCEPTED}{others}.")
    if not url.database or url.database.startswith((":memory:", "file:")) or url.query:
        raise ConfigError(
            f"The storage URL {chosen!r} does not name a plain file, and other processes must be able to find the "
            f"store. Expected {_ACCEPTED}."
        )
    return _file(Path(url.database))


def _chosen(storage: str | Path | None) -> str | Path:
    """Return the given path or URL, that of the environment, or the default."""
    chosen = os.environ.get("RETIARII_STORAGE") if storage is None else storage
    if "\0" in str(chosen):
        raise ConfigError(
            f"{str(chosen)!r} cannot be the name of a store: it has a NUL character. Expected {_ACCEPTED}."
        )
    return chosen or experiments_home() / _DATABASE_NAME


def _file(path: Path) -> Location:
    from sqlalchemy.engine import URL

    path = path.expanduser().absolute()  # the process may change its current folder later
    return Location(URL.create("sqlite", database=str(path)), path, path.with_name(f"{path.name}.files"))
