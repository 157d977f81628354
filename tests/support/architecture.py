"""The rules of the house as functions: a tree of sources in, every violation out, one line each.

`tests/unit/test_architecture.py` asks them of this project, and of small trees that break them.

I/O: reads sources; `side_effects` starts a Python process that imports them.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

RANKS = {
    "cli": 5,
    "operations": 4,
    "consumers": 3,
    "producers": 3,
    "clients": 2,
    "databases": 2,
    "schemas": 1,
}
"""Imports go from a higher rank to a lower one: neighbours of one rank know nothing of each other."""
BESIDE: dict[str, tuple[str, ...]] = {"broker": (), "gateway": ("databases", "schemas")}
"""Rooms beside the others, which only `cli` starts, with what each of them may import: the embedded server
alone, and the stand-in for a foreign system."""
ROOMS = (*RANKS, *BESIDE)
"""Our top-level names."""

IO_MODULES = (
    "confluent_kafka",
    "sqlalchemy",
    "sqlite3",
    "socket",
    "socketserver",
    "smtplib",
    "httpx",
    "subprocess",
    "uvicorn",
    "starlette",
    "urllib.request",  # urllib.parse only takes text apart
    "http.client",
    "http.server",
    "fcntl",
)
ENVIRONMENT = ("os.environ", "os.getenv", "os.putenv")

SCRIPTS = ("cli.__main__", "consumers.runtime.stores.migrations.env")
"""Files that are run and not imported: by `python -m cli`, and by Alembic inside a migration."""

IMPORTER = f"""
ROOMS = {ROOMS}
import importlib, json, os, socket, sys, threading
root, found = sys.argv[1], []
sys.path.insert(0, root)
current = None

def ours(frame):
    # The environment may lie below the root; what libraries read is theirs.
    return os.path.relpath(frame.f_code.co_filename, root).split(os.sep)[0] in ROOMS

def refuse(*_, **__):
    raise AssertionError("opened a socket")

socket.socket.connect = socket.socket.bind = socket.create_connection = refuse
read = os._Environ.__getitem__

def watched(self, key):
    frame = sys._getframe(1)
    while frame and frame.f_code.co_filename.startswith(("<frozen", os.__file__)):
        frame = frame.f_back
    if frame and ours(frame):
        found.append(current + ": reads the environment (" + key + ") at import")
    return read(self, key)

os._Environ.__getitem__ = watched
for current in sys.argv[2:]:
    try:
        importlib.import_module(current)
    except Exception as error:
        found.append(current + ": " + type(error).__name__ + " at import: " + str(error))
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and thread.name not in "".join(found):
            found.append(current + ": started a thread at import: " + thread.name)
print(json.dumps(found))
os._exit(0)
"""

RETIRED_ANYWHERE = frozenset(
    {
        *("aftermath", "breaker", "errand", "errands", "haul", "inlet", "lane", "lanes", "outlet", "parked"),
        *("parks", "passage", "patience", "pulse", "rollout", "rollouts", "setback", "setbacks", "troubles"),
    }
)
"""Words of the project's own that the field's words have replaced: no identifier has one as a part."""
RETIRED = frozenset(
    {"each", "errand", "found", "letters", "said", "standing", "tally", "told", "verdict", "where", "words"}
)
"""Words that say nothing of what they hold: no identifier is one of them."""
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")

MAX_FILE = 300
MAX_FUNCTION = 50
MAX_REACTION = 59
NOT_REACTIONS = ("__init__", "registry")


class Source(NamedTuple):
    """One file: its path below the root, its dotted name, its text and its tree."""

    path: Path
    module: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.module.partition(".")[0]


class Use(NamedTuple):
    """A module, or a name in a module, that a line uses."""

    line: int
    target: str


def sources(root: Path, *folders: str) -> list[Source]:
    """Every Python file below these folders of the root, or below all rooms."""
    return [
        _source(root, path) for folder in folders or ROOMS for path in sorted((root / folder).rglob("*.py"))
    ]


def _source(root: Path, path: Path) -> Source:
    below = path.relative_to(root)
    text = path.read_text("utf-8")
    module = ".".join(below.with_suffix("").parts).removesuffix(".__init__")
    return Source(below, module, text, ast.parse(text))


def imports(tree: ast.AST, *, for_types: bool = True) -> Iterator[Use]:
    """Every import, also inside functions and by name (`import_module("x")`).

    Args:
        tree: what to look through.
        for_types: whether those under `if TYPE_CHECKING:` count.
    """
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                if for_types:
                    yield from imports(node)
                else:
                    for each in node.orelse:
                        yield from imports(each, for_types=False)
                continue
            case ast.Import(names=names):
                yield from (Use(node.lineno, each.name) for each in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                yield from (Use(node.lineno, f"{'.' * level}{module or ''}.{each.name}") for each in names)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield Use(node.lineno, name)
        yield from imports(node, for_types=for_types)


def wrong_imports(root: Path) -> list[str]:
    """Imports against the one way, or of a room that stands beside by another one than `cli`."""
    return [
        f"{source.path}:{use.line}: {source.module} may not import {use.target}: {reason}"
        for source in sources(root)
        for use in imports(source.tree)
        if (reason := _forbidden(source, use.target))
    ]


def _forbidden(source: Source, target: str) -> str | None:
    room = target.partition(".")[0]
    if target.startswith("."):
        return "imports are absolute"
    if source.module.startswith("operations.verify") and _within(target, "consumers.runtime"):
        return "what verifies the runtime shares nothing with it but schemas"
    if room not in ROOMS or room == source.room:
        return None
    if source.room in BESIDE:
        return None if room in BESIDE[source.room] else f"{source.room} stands beside the other rooms"
    if room in BESIDE:
        return None if source.room == "cli" else f"only cli starts the {room}"
    return None if RANKS[room] < RANKS[source.room] else "imports go one way"


def undeclared_io(root: Path) -> list[str]:
    """Modules that import a client or read the environment, and do not say so at their head."""
    return [
        f"{source.path}:{use.line}: uses {use.target}; the docstring must say so in a line `I/O: …`"
        for source in sources(root)
        if not _declares_io(source.tree)
        for use in _io(source.tree)
    ]


def _declares_io(tree: ast.Module) -> bool:
    return any(line.startswith("I/O:") for line in (ast.get_docstring(tree) or "").splitlines())


def _io(tree: ast.Module) -> Iterator[Use]:
    for use in imports(tree, for_types=False):
        if any(_within(use.target, name) for name in (*IO_MODULES, *ENVIRONMENT)):
            yield use
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ENVIRONMENT:
            yield Use(node.lineno, ast.unparse(node))


def _within(target: str, name: str) -> bool:
    return f"{target}.".startswith(f"{name}.")


def side_effects(root: Path) -> list[str]:
    """Import every module of a tree in a fresh process; what it did besides defining names."""
    modules = [source.module for source in sources(root) if source.module not in SCRIPTS]
    done = subprocess.run(
        [sys.executable, "-c", IMPORTER, str(root), *modules],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        cwd=root,
    )
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    noise = done.stdout.splitlines()[:-1] + done.stderr.splitlines()
    return found + [f"printed at import: {line}" for line in noise]


def retired_names(root: Path, *folders: str) -> list[str]:
    """Identifiers that our code defines under a retired word; what libraries call their own is theirs."""
    return [
        f"{source.path}:{line}: {name} uses the retired word {word!r}"
        for source in sources(root, *folders)
        for line, name in sorted(_defined(source.tree))
        if (word := _retired(name))
    ]


def _retired(name: str) -> str | None:
    plain = name.strip("_").lower()
    if plain in RETIRED:
        return plain
    parts = {part.lower() for part in _PARTS.findall(name)}
    # A circuit breaker is the field's own word.
    return next(iter(sorted(parts & RETIRED_ANYWHERE - ({"breaker"} if "circuit" in parts else set()))), None)


def _defined(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.arg(arg=name):
                yield node.lineno, name
            case ast.ImportFrom(names=names) | ast.Import(names=names):
                yield from ((node.lineno, alias.asname) for alias in names if alias.asname)
            case ast.MatchAs(name=str(name)) | ast.ExceptHandler(name=str(name)):
                yield node.lineno, name


def too_long(root: Path, *folders: str) -> list[str]:
    """Files and functions over the limit."""
    found = []
    for source in sources(root, *folders):
        lines = source.text.count("\n")
        if lines > MAX_FILE:
            found.append(f"{source.path}: {lines} lines, at most {MAX_FILE}: look for the missing idea")
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION:
                    found.append(
                        f"{source.path}:{node.lineno}: {node.name} has {length} lines, at most {MAX_FUNCTION}"
                    )
    return found


def long_reactions(root: Path) -> list[str]:
    """Reaction files that no longer fit on a screen: a newcomer copies one."""
    return [
        f"consumers/{path.name}: {lines} lines, a reaction has at most {MAX_REACTION}"
        for path in sorted((root / "consumers").glob("*.py"))
        if path.stem not in NOT_REACTIONS and (lines := path.read_text("utf-8").count("\n")) > MAX_REACTION
    ]


def missing_from_wheel(root: Path, archive: list[str]) -> list[str]:
    """Files of our rooms that an installed program would miss, and files that it should not bring."""
    wanted = {
        path.relative_to(root).as_posix()
        for room in ROOMS
        for path in (root / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    } | {f"{room}/py.typed" for room in ROOMS}
    ours = {name for name in archive if ".dist-info/" not in name}
    return [
        *(f"{name}: not in the wheel" for name in sorted(wanted - ours)),
        *(f"{name}: in the wheel, and in no room" for name in sorted(ours - wanted)),
    ]
