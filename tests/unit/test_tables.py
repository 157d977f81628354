"""Tables: what people copy is never broken, and a narrow terminal gets less rather than pieces."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from cli.tables import Table, folded, new_table, print_prose

TOPIC = "warehouse.dispatch_products.dlq"
COMMAND = f"`cev dlq list --topic {TOPIC}`"


def table() -> Table:
    made = new_table(*("topic", "kind", "records", "why"), right=("records",), drop=("kind",), prose=("why",))
    made.add_row(TOPIC, "dead-letter", "[red]1,200[/red]", f"nobody has decided; {COMMAND} shows them")
    made.add_row("orders", "fact", "7", "")
    return made


def text(width: int | None) -> str:
    return "\n".join(line.plain for line in table().lines(width))


@given(st.integers(1, 200))
def test_names_numbers_and_commands_are_whole_at_any_width(width: int) -> None:
    for whole in (TOPIC, "1,200", COMMAND, "orders", "decided;"):
        assert whole in text(width)


@given(st.integers(70, 200))
def test_no_line_is_wider_than_a_terminal_that_has_room_for_the_longest_word(width: int) -> None:
    assert max(line.cell_len for line in table().lines(width)) <= width


def test_a_pipe_gets_every_column_and_one_line_a_row() -> None:
    assert text(None).splitlines() == [
        f"{'topic':<33}{'kind':<13}records  why",
        f"{TOPIC}  dead-letter    1,200  nobody has decided; {COMMAND} shows them",
        f"{'orders':<33}{'fact':<13}      7",
    ]


def test_a_narrow_terminal_gets_fewer_columns_and_then_blocks() -> None:
    assert text(120).splitlines()[0].split() == ["topic", "kind", "records", "why"]
    assert text(105).splitlines()[0].split() == ["topic", "records", "why"]
    assert text(50).splitlines()[:4] == [
        TOPIC,
        "  kind     dead-letter",
        "  records  1,200",
        "  why      nobody has decided;",
    ]
    assert text(50).splitlines()[-3:] == ["orders", "  kind     fact", "  records  7"]


@pytest.mark.parametrize(
    ("prose", "width", "lines"),
    [
        ("one two three", 7, ["one two", "three"]),
        ("one two three", 100, ["one two three"]),
        ("unbreakable", 3, ["unbreakable"]),
        ("run `cev up --port 0` now", 8, ["run", "`cev up --port 0`", "now"]),
        ("東京 東京", 5, ["東京", "東京"]),
        ("", 10, []),
    ],
)
def test_prose_is_folded_between_words_and_commands_are_words(
    prose: str, width: int, lines: list[str]
) -> None:
    assert [line.plain for line in folded(Text(prose), width)] == lines


@pytest.mark.parametrize(
    ("is_terminal", "printed"),
    [
        (True, "alarm  stopped  run\n  `cev consume sales`\n  now\n"),
        (False, "alarm  stopped  run `cev consume sales` now\n"),
    ],
)
def test_sentences_are_folded_on_a_terminal_and_one_line_elsewhere(
    *, is_terminal: bool, printed: str
) -> None:
    out = io.StringIO()
    console = Console(file=out, width=20, force_terminal=is_terminal, no_color=True, highlight=False)
    print_prose(console, "alarm  stopped  run `cev consume sales` now", indent=2)
    assert out.getvalue() == printed


def test_a_name_between_colons_is_no_picture() -> None:
    emails = new_table("effect")
    emails.add_row("notify:email:placed")
    assert [line.plain.strip() for line in emails.lines(None)] == ["effect", "notify:email:placed"]
    out = io.StringIO()
    print_prose(Console(file=out), "order:email:placed")
    assert out.getvalue() == "order:email:placed\n"
