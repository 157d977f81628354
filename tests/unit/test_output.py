"""What reaches a terminal: one JSON document a line, and no character that moves the cursor or hides text."""

import io
import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

from cli.output import console, emit, emit_long, log, safe
from cli.tables import new_table
from operations.verify.reconciliation import OrderIds


def test_a_document_is_one_line_of_json_with_text_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"order_id": "12001", "address": "Zażółć\n1", "records": [{"partition": 3}], "result": None})
    out, err = capsys.readouterr()
    assert (
        out
        == '{"order_id": "12001", "address": "Zażółć\\n1", "records": [{"partition": 3}], "result": null}\n'
    )
    assert err == ""


@given(st.lists(st.integers(-(2**63), 2**63 - 1)), st.lists(st.text()))
def test_a_document_with_long_lists_is_printed_as_any_other(order_ids: list[int], more: list[str]) -> None:
    printed = []
    for write, listed in (
        (emit, [*map(str, order_ids), *more]),
        (emit_long, OrderIds(order_ids, more)),
    ):
        out = io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdout", out)
            write({"ok": True, "lost": listed, "removed": ("a",), "dead": {"sales": 1}})
        printed.append(out.getvalue())
    assert printed[0] == printed[1]


@given(st.text())
@example("\x1b[2J\x7f\x9b31m\u2028\u2029\u0085")
@example("\ud800 half a pair")
def test_any_text_is_one_line_that_a_pipe_takes_and_json_gives_back(text: str) -> None:
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", out)
        emit({"address": text})
    line = out.getvalue()
    line.encode("utf-8")
    assert line.splitlines() == [line[:-1]]
    assert json.loads(line) == {"address": text}
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in line[:-1])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1 Streetford Road", "1 Streetford Road"),
        ("Zażółć 🚚", "Zażółć 🚚"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("one\ntwo\ttab\r", "one\\ntwo\\ttab\\r"),
        ("\u202eevil", "\\u202eevil"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\u2028", "\\u2028"),
        ("\x9b2J", "\\x9b2J"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        (12001, "12001"),
        (None, "None"),
    ],
)
def test_what_moves_the_cursor_or_hides_text_is_shown_as_an_escape(text: object, shown: str) -> None:
    assert safe(text) == shown


@given(st.text())
def test_safe_text_is_one_line_of_visible_characters(text: str) -> None:
    shown = safe(text)
    assert not any(unicodedata.category(char)[0] == "C" for char in shown)
    assert "\n" not in shown
    assert safe(shown) == shown
    shown.encode("utf-8")


def test_data_goes_to_stdout_and_everything_else_to_stderr() -> None:
    assert not console.stderr
    assert log.stderr


def test_a_table_has_no_box_and_numbers_to_the_right() -> None:
    sheet = new_table("topic", "lag", right=("lag",))
    sheet.add_row("orders", "7")
    sheet.add_row("dispatch_products", "12000")
    out = io.StringIO()
    Console(file=out, width=60).print(sheet)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert lines == ["topic                lag", "orders                 7", "dispatch_products  12000"]
