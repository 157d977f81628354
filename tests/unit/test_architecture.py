"""The rules that no reviewer should have to look for; each one is also seen to fail on a small tree."""

import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from tests.support.architecture import (
    ROOMS,
    long_reactions,
    missing_from_wheel,
    retired_names,
    side_effects,
    sources,
    too_long,
    undeclared_io,
    wrong_imports,
)

ROOT = Path(__file__).parents[2]


def owners() -> list[str]:
    """Installed distributions other than ours that would be imported under our names."""
    return [
        f"{room} is also a top-level name of {owner}"
        for room, names in metadata.packages_distributions().items()
        if room in ROOMS
        for owner in sorted(set(names))
        if owner != "command-event"
    ]


def none_of(violations: list[str]) -> None:
    assert not violations, "\n" + "\n".join(violations)


def tree(root: Path, **files: str) -> Path:
    """A project in which `cli__main="..."` is the content of cli/main.py."""
    for room in ROOMS:
        (root / room).mkdir(exist_ok=True)
        (root / room / "__init__.py").touch()
    for name, text in files.items():
        path = root.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


# -- imports go one way ------------------------------------------------------------------------------------


def test_imports_go_one_way() -> None:
    none_of(wrong_imports(ROOT))


def test_the_rules_look_at_every_room() -> None:
    assert {source.room for source in sources(ROOT)} == set(ROOMS)


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("schemas__codec", "import producers"),
        ("schemas__codec", "from cli.settings import load"),
        ("producers__mode", "from consumers import registry"),
        ("consumers__runtime__member", "from producers import publisher"),
        ("clients__admin", "from producers.mode import log"),
        ("clients__cluster", "import consumers.runtime"),
        ("clients__config", "from databases.address import StoreAddress"),
        ("databases__connect", "from clients.config import Cluster"),
        ("databases__connect", "import operations"),
        ("consumers__sales", "import operations.status.collect as s"),
        ("consumers__sales", "def f():\n    from cli import main"),
        ("consumers__sales", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from cli import main"),
        ("consumers__sales", "import importlib\nimportlib.import_module('cli.main')"),
        ("consumers__sales", "class A:\n    try:\n        import operations\n    except ImportError: ..."),
        ("operations__status", "import cli"),
        ("operations__verify", "from consumers.runtime.stores import tables"),
        ("operations__verify__reconcile", "from consumers import runtime"),
        ("broker__kafka", "from schemas.errors import OperationFailed"),
        ("broker__kafka", "from clients import deadline"),
        ("producers__mode", "from broker import discovery"),
        ("consumers__channels__gateway", "from gateway.messages import Payment"),
        ("gateway__store", "from clients.log import Log"),
        ("operations__status", "import broker"),
        ("consumers__runtime__member", "from broker.state import ClusterIdentity"),
        ("schemas__registry", "from clients import config"),
        ("schemas__codec", "from . import framing"),
    ],
)
def test_an_import_the_wrong_way_is_named_with_its_line(tmp_path: Path, module: str, line: str) -> None:
    (violation,) = wrong_imports(tree(tmp_path, **{module: line}))
    number = 1 + line[: line.rindex("import")].count("\n")
    assert violation.startswith(f"{module.replace('__', '/')}.py:{number}: ")
    assert "may not import" in violation


def test_all_wrong_imports_are_named_at_once(tmp_path: Path) -> None:
    root = tree(
        tmp_path, schemas__a="import cli, producers\nfrom broker import kafka, client", broker__b="import cli"
    )
    assert len(wrong_imports(root)) == 5


@pytest.mark.parametrize(
    ("module", "line"),
    [
        (
            "cli__main",
            "import operations, consumers.runtime, producers, schemas\nfrom broker import embedded",
        ),
        (
            "operations__status",
            "from consumers.registry import REACTIONS\nfrom clients.config import Cluster",
        ),
        ("operations__verify", "from schemas import topics\nfrom consumers.registry import REACTIONS"),
        ("operations__verifying", "import schematics, clippy, brokerage"),
        ("producers__mode", "from clients.config import Cluster\nfrom databases.connect import engine"),
        ("clients__admin", "from schemas.errors import OperationFailed"),
        ("broker__kafka", "from broker.ports import choose\nimport json"),
        ("gateway__store", "from databases.connect import sqlite_engine\nfrom schemas.times import now_ms"),
        ("cli__gateway", "from gateway.server import listen"),
    ],
)
def test_an_import_the_right_way_is_let_be(tmp_path: Path, module: str, line: str) -> None:
    none_of(wrong_imports(tree(tmp_path, **{module: line})))


# -- input and output are declared -------------------------------------------------------------------------


def test_only_modules_that_say_so_touch_the_world() -> None:
    none_of(undeclared_io(ROOT))


@pytest.mark.parametrize(
    "line",
    [
        "import confluent_kafka",
        "from confluent_kafka.admin import AdminClient",
        "import sqlalchemy as sa",
        "def f():\n    import sqlite3",
        "import urllib.request",
        "from urllib import request",
        "from http import server",
        "import http.server",
        "import os\nHOME = os.environ['HOME']",
        "import os\ndef f(): return os.getenv('HOME')",
        "from os import environ",
        "import smtplib, json",
    ],
)
def test_a_module_that_touches_the_world_in_silence_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    text = f'"""Sales.\n\nIt says I/O: but not at the start of a line.\n"""\n\n{line}\n'
    (violation,) = undeclared_io(tree(tmp_path, consumers__sales=text))
    number = int(violation.split(":")[1])
    assert violation.startswith(f"consumers/sales.py:{number}: uses ")
    assert text.splitlines()[number - 1] in line.splitlines()
    none_of(undeclared_io(tree(tmp_path, consumers__sales=f'"""Sales.\n\nI/O: some.\n"""\n{line}\n')))


@pytest.mark.parametrize(
    "line",
    [
        "from urllib.parse import quote",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import sqlalchemy",
        "import socketry, os.path",
        "environ = {}\nenviron['x'] = 1",
    ],
)
def test_a_pure_module_needs_no_such_line(tmp_path: Path, line: str) -> None:
    none_of(undeclared_io(tree(tmp_path, consumers__sales=line)))


# -- importing does nothing --------------------------------------------------------------------------------


def test_importing_opens_nothing_starts_nothing_and_reads_no_environment() -> None:
    none_of(side_effects(ROOT))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("import socket\nsocket.create_connection(('127.0.0.1', 1))", "opened a socket"),
        ("import socket\nsocket.socket().bind(('127.0.0.1', 0))", "opened a socket"),
        ("import os\nHOME = os.environ.get('HOME')", "reads the environment (HOME)"),
        ("import os\nHOME = os.getenv('HOME')", "reads the environment (HOME)"),
        ("import os\nHOME = os.environ['HOME']", "reads the environment (HOME)"),
        ("import threading\nthreading.Timer(60, print).start()", "started a thread"),
        ("print('hello')", "printed at import: hello"),
        ("1 / 0", "ZeroDivisionError at import"),
    ],
)
def test_a_module_that_acts_when_imported_is_named(tmp_path: Path, line: str, words: str) -> None:
    assert any(words in violation for violation in side_effects(tree(tmp_path, schemas__a=line)))


def test_a_module_that_only_defines_is_let_be(tmp_path: Path) -> None:
    none_of(side_effects(tree(tmp_path, schemas__a="import os, socket\ndef f(): return os.environ['HOME']")))


# -- our names are ours ------------------------------------------------------------------------------------


def test_no_other_installed_distribution_owns_one_of_our_names() -> None:
    none_of(owners())


def test_a_distribution_that_owns_one_of_our_names_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "squatter-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: squatter\nVersion: 1.0\n")
    (info / "top_level.txt").write_text("schemas\nelsewhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert owners() == ["schemas is also a top-level name of squatter"]


# -- the field's words -------------------------------------------------------------------------------------


def test_no_retired_word_is_an_identifier() -> None:
    none_of(retired_names(ROOT, *ROOMS, "benchmarks"))


@pytest.mark.parametrize(
    "line",
    [
        "class Inlet: ...",
        "class OrderSetback: ...",
        "def open_lanes(): ...",
        "def f(pulse): ...",
        "for each in (1, 2): ...",
        "self.standing = 1",
        "_found = 1",
        "import this as where",
        "f = [words for words in ()]",
    ],
)
def test_a_retired_word_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    (violation,) = retired_names(tree(tmp_path, cli__a=line))
    assert violation.startswith("cli/a.py:1: ")


@pytest.mark.parametrize(
    "line", ["query.where(x)", "class CircuitBreaker: ...", "f(each=1)", "planet = 1", "foundation = 'found'"]
)
def test_words_of_others_and_longer_words_are_let_be(tmp_path: Path, line: str) -> None:
    none_of(retired_names(tree(tmp_path, cli__a=line)))


# -- small -------------------------------------------------------------------------------------------------


def test_files_and_functions_are_small() -> None:
    none_of(too_long(ROOT, *ROOMS, "benchmarks"))


def test_what_is_too_long_is_named_with_its_length(tmp_path: Path) -> None:
    body = "def f():\n" + "    x = 1\n" * 50
    method = "class A:\n    async def g(self):\n" + "        x = 1\n" * 50
    root = tree(tmp_path, cli__a=body, cli__b=method, cli__c="x = 1\n" * 301)
    assert [violation.split(",")[0] for violation in too_long(root)] == [
        "cli/a.py:1: f has 51 lines",
        "cli/b.py:2: g has 51 lines",
        "cli/c.py: 301 lines",
    ]


def test_what_is_just_small_enough_is_let_be(tmp_path: Path) -> None:
    none_of(too_long(tree(tmp_path, cli__a="def f():\n" + "    x = 1\n" * 49, cli__b="x = 1\n" * 300)))


def test_a_reaction_fits_on_a_screen() -> None:
    none_of(long_reactions(ROOT))


def test_a_reaction_of_sixty_lines_is_named(tmp_path: Path) -> None:
    long = "x = 1\n" * 60
    root = tree(
        tmp_path,
        consumers__sales=long,
        consumers__registry=long,
        consumers__runtime__a=long,
        consumers__b=long[6:],
    )
    assert long_reactions(root) == ["consumers/sales.py: 60 lines, a reaction has at most 59"]


# -- the wheel ---------------------------------------------------------------------------------------------


def test_the_wheel_has_everything_that_the_rooms_have_and_nothing_else(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("command_event-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    none_of(missing_from_wheel(ROOT, names))
    assert any(name.endswith(".avsc") for name in names)
    assert {f"{room}/py.typed" for room in ROOMS} <= set(names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_a_file_that_the_wheel_lacks_or_should_lack_is_named(tmp_path: Path) -> None:
    root = tree(tmp_path, schemas__a="")
    (root / "schemas" / "A.v1.avsc").write_text("{}")
    archive = ["schemas/a.py", "tests/test_a.py", "x.dist-info/RECORD", "cli/__init__.py"]
    archive += [f"{room}/{name}" for room in ROOMS[1:] for name in ("py.typed", "__init__.py")]
    assert missing_from_wheel(root, archive) == [
        "cli/py.typed: not in the wheel",
        "schemas/A.v1.avsc: not in the wheel",
        "tests/test_a.py: in the wheel, and in no room",
    ]
