"""The runtime's numbered invariants name files that exist, and comments cite numbers that exist."""

import re
from pathlib import Path

import consumers.runtime

RUNTIME = Path(consumers.runtime.__file__).parent
TEXT = consumers.runtime.__doc__ or ""
NUMBERS = [int(number) for number in re.findall(r"^ ?(\d+)\. ", TEXT, re.MULTILINE)]
FILES = [name for names in re.findall(r"^    -> (.*)$", TEXT, re.MULTILINE) for name in names.split(", ")]


def cited(path: Path) -> list[int]:
    """The numbers that a file cites: `invariant 3`, `invariants 8 and 12`."""
    citations = re.findall(r"invariants? (\d+)(?: and (\d+))?", path.read_text("utf-8"))
    return [int(number) for citation in citations for number in citation if number]


def test_the_invariants_are_numbered_from_one_and_each_names_its_files() -> None:
    assert list(range(1, len(NUMBERS) + 1)) == NUMBERS
    assert len(re.findall("^    -> ", TEXT, re.MULTILINE)) == len(NUMBERS) > 10


def test_the_files_that_hold_an_invariant_are_there() -> None:
    assert [name for name in FILES if not (RUNTIME / f"{name}.py").is_file()] == []


def test_comments_cite_invariants_that_are_there() -> None:
    numbers = {number for path in RUNTIME.rglob("*.py") for number in cited(path)}
    assert numbers
    assert numbers <= set(NUMBERS)
