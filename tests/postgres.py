"""A PostgreSQL server of the tests' own: in a temporary folder, on a loopback port, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

PASSWORD = "p@ss:w/rd#1?x%"


@dataclass(frozen=True)
class Server:
    """Where the server listens; its database is `shop`, its owner `anna`."""

    port: int

    def url(self, *, user: str = "anna", password: str = PASSWORD, database: str = "shop") -> str:
        return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def run(self, *statements: str) -> None:
        """Carry out statements as the owner, each committed."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)


def binaries() -> Path | None:
    """The folder of initdb and postgres, None where no server is installed."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A running server with an empty database; skipped where no server is installed."""
    pytest.importorskip("psycopg", reason="the extra metier[postgres] is not installed")
    where = binaries()
    if where is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install -y postgresql)")
    with running(where) as server:
        yield server


@contextmanager
def running(where: Path, *, fsync: bool = False) -> Iterator[Server]:
    """A server made from the programs in `where`, gone when the block ends; `fsync` as a server in use has it."""
    folder = Path(tempfile.mkdtemp(prefix="metier-pg-", dir="/tmp"))
    become: list[str] = []
    if os.geteuid() == 0:  # initdb refuses the superuser
        user = next(name for name in ("postgres", "nobody") if _known(name))
        become = ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups", "--"]
        shutil.chown(folder, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    data = folder / "data"

    def call(*words: object) -> None:
        subprocess.run([*become, *map(str, words)], check=True, cwd=folder, capture_output=True)

    options = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories={folder} -c fsync={'on' if fsync else 'off'}"
    control = [where / "pg_ctl", "-D", data, "-w", "-t", 60]
    try:
        call(where / "initdb", "-D", data, "-U", "anna", f"--pwfile={folder / 'password'}", "--auth=scram-sha-256",
             "--no-locale", "-E", "UTF8", "--no-sync")  # fmt: skip
        # Its output must not be a pipe of ours: the server would hold it open.
        call(*control, "-l", folder / "log", "-o", options, "start")
        try:
            server = Server(port)
            import psycopg

            with psycopg.connect(server.url(database="postgres"), autocommit=True) as connection:
                connection.execute("CREATE DATABASE shop")
            yield server
        finally:
            call(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _known(user: str) -> bool:
    try:
        return bool(pwd.getpwnam(user))
    except KeyError:
        return False
