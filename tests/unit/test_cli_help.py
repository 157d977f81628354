"""Every `--help`: fits a terminal, has examples, names values and not types, and agrees with the table."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.help import CLUSTER, FOOT, MAX_WIDTH
from cli.help_topics import EXIT_CODES
from cli.main import COMMANDS, app
from tests.support.command_line import every_command

WITHOUT_CLUSTER = {
    ("demo",),
    ("help",),
    ("up",),
    ("down",),
    ("effects",),
    ("order", "list"),
    ("payments", "list"),
    ("payments", "show"),
    ("gateway",),
    ("process", "list"),
    ("process", "show"),
    ("config", "show"),
    ("config", "init"),
}
TYPES = re.compile(r"<|list\[|\b(bool|int|float|str|text) range\b|INTEGER|FLOAT|\{[A-Z]+\}")
OWN_WORDS = re.compile(
    r"\b(?:audience|catalogue|fenced|lanes?|owed?|owes|parked|rollout|setback|slots?|unseen)\b", re.IGNORECASE
)

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
def test_help_fits_the_terminal_and_has_examples(words: tuple[str, ...], columns: int) -> None:
    shown = page(words, columns)
    assert [line for line in shown.splitlines() if len(line) > min(columns, MAX_WIDTH)] == []
    assert "\nExamples:\n  cev " in shown
    assert shown.endswith(f"\n\n{FOOT}\n")
    assert ALL[words].help


@pytest.mark.parametrize("words", ALL, ids=named)
def test_help_names_values_and_not_types(words: tuple[str, ...]) -> None:
    assert TYPES.findall(page(words)) == []


@pytest.mark.parametrize("words", ALL, ids=named)
def test_help_uses_no_word_of_the_project_that_a_reader_cannot_know(words: tuple[str, ...]) -> None:
    assert OWN_WORDS.findall(page(words)) == []


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


@pytest.mark.parametrize("words", SINGLE, ids=named)
def test_the_examples_of_a_command_are_lines_that_it_takes(words: tuple[str, ...]) -> None:
    examples = SINGLE[words].epilog.splitlines()
    assert len(examples) in range(2, 5)
    for example in examples:
        cev, *typed = shlex.split(example)
        assert (cev, *typed[: len(words)]) == ("cev", *words)
        SINGLE[words].make_context(example, typed[len(words) :])


@pytest.mark.parametrize("words", ALL, ids=named)
def test_help_shows_the_flags_of_the_cluster_where_a_cluster_is_used(words: tuple[str, ...]) -> None:
    uses_cluster = words in SINGLE and words not in WITHOUT_CLUSTER
    assert (f"{CLUSTER}:" in page(words)) == uses_cluster
    assert ("--bootstrap-servers HOST:PORT" in page(words)) == uses_cluster


def test_the_page_of_exit_codes_says_what_the_documents_say() -> None:
    text = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")
    assert dict(re.findall(r"^\| (\d[\d, ]*) \| (.*) \|$", text, re.MULTILINE)) == EXIT_CODES
    shown = CliRunner().invoke(app, ["help", "exit-codes"], prog_name="cev").output
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning}" in " ".join(shown.split())


def test_the_page_of_settings_has_all_of_them_whatever_is_set_wrong() -> None:
    ended = CliRunner().invoke(app, ["help", "settings"], prog_name="cev", env={"CEV_BANANA": "x"})
    assert ended.exit_code == 0
    for name in ("CEV_BOOTSTRAP_SERVERS", "CEV_DRAIN_S", "[default: 30]", "CEV_KAFKA__…", "CEV_CONFIG"):
        assert name in ended.output


@pytest.mark.parametrize("words", [(), ("dlq",), ("mode", "set")], ids=named)
def test_help_and_the_words_of_a_command_are_the_commands_page(words: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, ["help", *words], prog_name="cev").output == page(words)


def test_help_on_what_is_not_there_names_what_was_meant() -> None:
    ended = CliRunner().invoke(app, ["help", "exit-code"], prog_name="cev")
    assert ended.exit_code == 2
    assert "there is no help on 'exit-code'; did you mean exit-codes?" in ended.stderr


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
