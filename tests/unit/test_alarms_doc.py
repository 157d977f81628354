"""The page about operations has every alarm that the program can raise, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.architecture import ROOMS, sources

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
_ROW = re.compile(r"^\| `([a-z-]+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_RAISES = ("StatusAlarm", "StateAlarm", "_raise")
"""What makes or raises an alarm; its first argument is the name."""


def names_raised(tree: ast.Module) -> Iterator[str]:
    """The alarms that a file raises, by text or by a constant of the same file."""
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            match node.args[0] if called in _RAISES else None:
                case ast.Constant(value=str(name)):
                    yield name
                case ast.Name(id=name) if name in constants:
                    yield str(constants[name])


def test_the_page_has_every_alarm_of_the_program_once_with_its_meaning_and_its_remedy() -> None:
    listed = [name for name, _, _ in _ROW.findall(PAGE.split("## Every alarm")[1].split("\n## ")[0])]
    raised = {name for source in sources(ROOT, *ROOMS) for name in names_raised(source.tree)}
    assert len(listed) == len(set(listed))
    assert set(listed) == raised


@pytest.mark.parametrize(
    "code",
    [
        'StatusAlarm("low-tide", group, None, text)',
        'LOW_TIDE = "low-tide"\nself._raise(LOW_TIDE, group, text)',
        'alarms.StatusAlarm("low-tide", group, None, text)',
        'ALARMS = (StateAlarm("low-tide", ("ebb",), text),)',
    ],
)
def test_an_alarm_is_found_however_it_is_raised(code: str) -> None:
    assert list(names_raised(ast.parse(code))) == ["low-tide"]
