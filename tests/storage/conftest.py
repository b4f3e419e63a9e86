"""A real PostgreSQL server: the one that RETIARII_TEST_POSTGRES names, or one of our own on a Unix socket."""

import glob
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgresql_server():
    """A URL of a database in which tests may make schemas."""
    pytest.importorskip("psycopg", reason='needs psycopg: pip install "retiarii[postgres]"')
    given = os.environ.get("RETIARII_TEST_POSTGRES")
    if given:
        yield given
        return
    programs = _programs()
    if programs is None:
        pytest.skip("needs PostgreSQL: set RETIARII_TEST_POSTGRES to a URL, or install Debian's package postgresql")
    user = _unprivileged_user()
    if user is None:
        pytest.skip("needs a user to run PostgreSQL as: it refuses to run as root, and 'postgres' does not exist")
    with _server(programs, user) as url:
        yield url


@pytest.fixture
def postgresql(postgresql_server):
    """A URL under which the database looks empty: each test has a schema of its own."""
    import psycopg

    schema = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        yield f"{postgresql_server}{'&' if '?' in postgresql_server else '?'}options=-csearch_path%3D{schema}"
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


def _programs():
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(map(Path, glob.glob("/usr/lib/postgresql/*/bin")))
    return folders[-1] if folders else None


def _unprivileged_user():
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return None


@contextmanager
def _server(programs, user):
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # short: the path of a socket has at most 107 bytes
    as_user = {"user": user, "cwd": folder} if os.geteuid() == 0 else {"cwd": folder}
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    data = folder / "data"
    options = f"-k {folder} -c listen_addresses='' -F"  # no network, no fsync
    try:
        _run([programs / "initdb", "-D", data, "-A", "trust", "-U", "retiarii", "-E", "UTF8", "--no-sync"], as_user)
        _run([programs / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start"], as_user)
        try:
            yield f"postgresql://retiarii@/postgres?host={folder}"
        finally:
            _run([programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], as_user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(command, as_user):
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, env={"LC_ALL": "C"}, **as_user)
