"""An outbox row's text, its statements and its addresses; nothing is touched."""

import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.records import ANY_PARTITION, ProducerRecord
from producers.outbox import DDL
from producers.outbox.queue import _fitting
from producers.outbox.record_codec import UnreadableRow, pack, unpack
from producers.outbox.tables import create, engine_of
from schemas.errors import InvalidSetting
from schemas.topics import DISPATCH_PRODUCTS, ORDERS

PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z"))).filter(str.isprintable)
RECORDS = st.lists(
    st.builds(
        ProducerRecord,
        topic=st.sampled_from([DISPATCH_PRODUCTS, ORDERS]),
        key=st.binary(),
        value=st.binary(),
        headers=st.lists(st.tuples(PRINTABLE, PRINTABLE)),
        partition=st.just(ANY_PARTITION),
    ),
    min_size=1,
    max_size=3,
).map(tuple)


@given(RECORDS)
def test_records_come_out_of_a_row_as_they_went_in(records: tuple[ProducerRecord, ...]) -> None:
    assert unpack(pack(records)) == records


@given(RECORDS)
def test_a_row_is_ascii_without_control_characters_whatever_an_order_says(
    records: tuple[ProducerRecord, ...],
) -> None:
    assert set(pack(records)) <= set(string.printable) - set(string.whitespace) | {" "}


def row(**changed: object) -> str:
    fields = {"topic": ORDERS, "key": "AAAA", "value": "AAAA", "headers": [["ce_id", "1"]], **changed}
    return json.dumps([fields])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "7",
        "[7]",
        "{}",
        "[{}]",
        '"x"',
        "[" * 100_000,
        row(key="not base64!"),
        row(value=None),
        row(topic="order_mode"),
        row(topic="dispatch_results"),
        row(topic="capture_payments"),
        row(topic="elsewhere"),
        row(topic=None),
        row(topic=[]),
        row(headers=[["only a name"]]),
        row(headers=[["ce_id", 7]]),
        row(headers=[["ce_id", "a\nb"]]),
        row(headers=7),
    ],
    ids=lambda text: text[:40],
)
def test_a_row_that_somebody_else_wrote_is_unreadable_and_says_why(text: str) -> None:
    with pytest.raises(UnreadableRow) as fault:
        unpack(text)
    assert 0 < len(str(fault.value)) < 300


@given(st.text())
def test_no_text_does_anything_else(text: str) -> None:
    with pytest.raises(UnreadableRow):
        unpack(text)


@pytest.mark.parametrize(
    "url", ["mysql://h/d", "sqlite://", "sqlite:///:memory:", "shop.sqlite3", "", "postgresql+asyncpg://h/d"]
)
def test_an_address_that_is_no_outboxes_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidSetting, match="outbox_url") as fault:
        engine_of(url)
    assert fault.value.exit_code == 2


@pytest.mark.parametrize("url", ["postgresql://u:p@h/d", "postgres://u:p@h/d"])
def test_a_postgres_address_is_psycopgs(url: str) -> None:
    engine = engine_of(url)
    assert engine.url.drivername == "postgresql+psycopg"
    assert "p@" not in str(engine.url)


def test_other_databases_get_no_tables() -> None:
    class Other:
        class dialect:  # noqa: N801 - as SQLAlchemy names it
            name = "oracle"

    with pytest.raises(InvalidSetting, match="oracle"):
        create(Other())  # type: ignore[arg-type]  # what matters of an engine


def test_both_dialects_have_the_same_columns() -> None:
    def columns(statement: str) -> list[str]:
        return [line.split()[0] for line in statement.splitlines()[1:-1]]

    pairs = list(zip(DDL["postgresql"], DDL["sqlite"], strict=True))
    assert all(columns(one) == columns(other) for one, other in pairs)


@given(st.lists(st.integers(0, 20_000_000), min_size=1, max_size=30))
def test_a_batch_holds_what_fits_and_at_least_one_row(sizes: list[int]) -> None:
    chosen = _fitting(list(enumerate(sizes)))
    assert chosen == list(range(len(chosen)))
    assert chosen
    assert len(chosen) == 1 or sum(sizes[: len(chosen)]) <= 6 * 1024 * 1024


def test_the_document_shows_the_statements_that_make_the_tables() -> None:
    document = (Path(__file__).parents[2] / "docs" / "outbox.md").read_text("utf-8")
    assert ";\n".join(DDL["postgresql"]) + ";" in document
    for line in set("\n".join(DDL["sqlite"]).splitlines()) - set("\n".join(DDL["postgresql"]).splitlines()):
        assert line.strip() in document
