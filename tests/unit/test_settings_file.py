"""The file that `cev config init` writes: every setting, explained, and nothing changes by reading it."""

import re
import stat
import tomllib
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined
from typer.testing import CliRunner

from cli.main import app
from cli.settings import Settings, load
from cli.settings_file import settings_file
from schemas.errors import UsageError

UNSET = (None, PydanticUndefined)
SETTING = re.compile(r"(?:# )?(?P<name>\w+) = ")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "cev.toml"
    done = CliRunner().invoke(app, ["config", "init", str(path)])
    assert done.exit_code == 0, done.output
    return path


def test_the_file_read_back_changes_nothing_and_is_shown_as_the_source(written: Path) -> None:
    loaded = load({}, {"CEV_CONFIG": str(written)})
    assert loaded.settings == load({}, {}).settings
    fixed = {name for name, field in Settings.model_fields.items() if field.default not in UNSET}
    assert fixed > {"drain_s", "log_format"}
    assert {row.name for row in loaded.shown() if row.source == f"file {written}"} == fixed


def test_every_setting_is_in_the_file_once_in_the_programs_order_below_what_it_means() -> None:
    lines = settings_file().splitlines()
    for name, field in Settings.model_fields.items():
        line = "[kafka]" if name == "kafka" else next(text for text in lines if _names(text, name))
        assert lines[lines.index(line) - 1] == f"# {field.description}"
    names = [found["name"] for line in lines if (found := SETTING.match(line))]
    assert names == [name for name in Settings.model_fields if name != "kafka"]


def _names(line: str, name: str) -> bool:
    found = SETTING.match(line)
    return found is not None and found["name"] == name


def test_every_example_in_the_file_is_a_value_that_the_program_takes(tmp_path: Path) -> None:
    path = tmp_path / "all.toml"
    path.write_text(re.sub(r"^# (?=\S+ = )", "", settings_file(), flags=re.MULTILINE), "utf-8")
    assert tomllib.loads(path.read_text("utf-8")).keys() == Settings.model_fields.keys()
    loaded = load({}, {"CEV_CONFIG": str(path)})
    assert (loaded.settings.health_port, loaded.settings.bootstrap_servers) == (8080, "localhost:9092")


def test_its_owner_alone_can_read_it(written: Path) -> None:
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


def test_a_file_that_exists_is_left_as_it_is(written: Path) -> None:
    written.write_text("drain_s = 7\n", "utf-8")
    done = CliRunner().invoke(app, ["config", "init", str(written)])
    assert (done.exit_code, done.stdout) == (UsageError.exit_code, "")
    assert done.stderr == f"cev: {written} exists, and is left as it is: name another file, or - to see it\n"
    assert written.read_text("utf-8") == "drain_s = 7\n"


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["config", "init", str(tmp_path / "missing" / "cev.toml")])
    assert (done.exit_code, done.stderr.splitlines()[-1].endswith("No such file or directory")) == (2, True)


def test_a_dash_writes_it_to_standard_output() -> None:
    done = CliRunner().invoke(app, ["config", "init", "-"])
    assert (done.exit_code, done.stdout) == (0, settings_file())
