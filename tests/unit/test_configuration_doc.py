"""The page about configuration has every setting, with its default and its meaning, as the program does."""

import re
from pathlib import Path

from pydantic_core import PydanticUndefined

from cli.settings import Settings
from cli.settings_sources import PREFIX
from clients.config import OWNED

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")
_ROW = re.compile(
    r"^\| `(?P<variable>CEV_[^`]+)` \| `(?P<name>\w+)` \| (?P<default>[^|]+) \| (?P<meaning>.+) \|$"
)
ROWS = [found for line in PAGE.splitlines() if (found := _ROW.match(line))]


def shown_default(name: str) -> str:
    """A default as the page has it."""
    field = Settings.model_fields[name]
    if field.default is PydanticUndefined:
        return {"data_dir": "the user data folder", "kafka": "–"}[name]  # noqa: RUF001 - the page's dash
    return "unset" if field.default is None else str(field.default)


def test_the_table_has_every_setting_in_the_programs_order() -> None:
    assert [row["name"] for row in ROWS] == list(Settings.model_fields)


def test_every_row_has_the_variable_the_default_and_the_meaning_of_its_setting() -> None:
    for row in ROWS:
        name = row["name"]
        variable = f"{PREFIX}KAFKA__…" if name == "kafka" else f"{PREFIX}{name.upper()}"
        about = (row["variable"], row["default"], row["meaning"])
        assert about == (variable, shown_default(name), Settings.model_fields[name].description)


def test_every_variable_that_the_page_names_is_one() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | {f"{PREFIX}CONFIG"}
    for variable in re.findall(rf"{PREFIX}[A-Z_]+", PAGE):
        assert variable in known or variable.startswith(f"{PREFIX}KAFKA__"), variable


def test_the_page_lists_every_kafka_setting_that_is_the_programs_own() -> None:
    listed = PAGE.split("stand on (")[1].split(")")[0]
    assert set(re.findall(r"`([^`]+)`", listed)) == set(OWNED)
