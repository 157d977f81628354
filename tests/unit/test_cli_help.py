"""Every `--help`: fits a terminal, has an example, names values and not types, and agrees with the table."""

import re
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.help import CLUSTER, MAX_WIDTH
from cli.main import COMMANDS, app
from tests.support.command_line import every_command

EXAMPLE = "Example: cev "
WITHOUT_CLUSTER = {("demo",), ("up",), ("down",), ("effects",), ("config", "show"), ("config", "init")}
TYPES = re.compile(r"<|list\[|\b(bool|int|float|str|text) range\b|INTEGER|FLOAT|\{[A-Z]+\}")

ALL = every_command()
SINGLE = {words: command for words, command in ALL.items() if not hasattr(command, "commands")}


def page(words: tuple[str, ...], columns: int = 80) -> str:
    shown = CliRunner().invoke(app, [*words, "--help"], prog_name="cev", env={"COLUMNS": str(columns)})
    assert shown.exit_code == 0, shown.output
    return shown.output


def named(words: tuple[str, ...]) -> str:
    return " ".join(("cev", *words))


@pytest.mark.parametrize("words", ALL, ids=named)
@pytest.mark.parametrize("columns", [80, 120])
def test_help_fits_the_terminal_and_has_an_example(words: tuple[str, ...], columns: int) -> None:
    shown = page(words, columns)
    assert [line for line in shown.splitlines() if len(line) > min(columns, MAX_WIDTH)] == []
    assert EXAMPLE in shown
    assert ALL[words].help


@pytest.mark.parametrize("words", ALL, ids=named)
def test_help_names_values_and_not_types(words: tuple[str, ...]) -> None:
    assert TYPES.findall(page(words)) == []


@pytest.mark.parametrize("words", ALL, ids=named)
def test_every_option_and_argument_has_a_sentence(words: tuple[str, ...]) -> None:
    for parameter in ALL[words].params:
        assert parameter.help, parameter.name
        assert parameter.help[0].isupper(), parameter.help
        assert parameter.help[-1] == ".", parameter.help


@pytest.mark.parametrize("words", SINGLE, ids=named)
def test_a_command_takes_the_flags_of_the_cluster(words: tuple[str, ...]) -> None:
    options = {flag for parameter in SINGLE[words].params for flag in parameter.opts}
    assert options >= {"--bootstrap-servers", "--schema-registry-url", "--version"}
    assert SINGLE[words].epilog.startswith(f"{EXAMPLE}{' '.join(words)}")


@pytest.mark.parametrize("words", ALL, ids=named)
def test_help_shows_the_flags_of_the_cluster_where_a_cluster_is_used(words: tuple[str, ...]) -> None:
    uses_cluster = words in SINGLE and words not in WITHOUT_CLUSTER
    assert (f"{CLUSTER}:" in page(words)) == uses_cluster
    assert ("--bootstrap-servers HOST:PORT" in page(words)) == uses_cluster


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_what_the_command_says_of_itself(name: str) -> None:
    command: Any = ALL[name,]
    assert COMMANDS[name].help == " ".join(command.help.partition("\n\n")[0].split())


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("mode set evnt", "'MODE': 'evnt' is not one of command, shadow, event; did you mean event?"),
        ("order load --rate 1 --count x", "'--count': 'x' is not a whole number"),
        ("order load --count 1 --rate -1", "'--rate': -1 is less than 0"),
        ("up --brokers 20", "'--brokers': 20 is more than 9"),
    ],
)
def test_a_value_that_cannot_be_is_refused_in_a_sentence_of_ours(words: str, fault: str) -> None:
    ended = CliRunner().invoke(app, words.split(), prog_name="cev")
    assert ended.exit_code == 2
    assert ended.stderr.endswith(f"Error: Invalid value for {fault}\n")


def test_a_command_that_does_not_exist_is_answered_with_those_that_sound_like_it() -> None:
    ended = CliRunner().invoke(app, ["ordr"], prog_name="cev")
    assert ended.exit_code == 2
    assert "No such command 'ordr'. Did you mean 'order'?" in ended.output
