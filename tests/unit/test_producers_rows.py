"""Rows from JSON lines and CSV, and the ids that their content gives."""

import io
import json
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.bulk.content_ids import ContentIds
from producers.bulk.row_reader import MAX_LINE, Format, Row, read_rows
from producers.placing.request import OrderRequest
from schemas import keys
from schemas.errors import InvalidOrder, UsageError


def rows(data: bytes, form: Format = Format.JSONL) -> list[Row]:
    return list(read_rows(io.BytesIO(data), form))


def ids(data: bytes, form: Format = Format.JSONL) -> dict[int, int]:
    """Row number to id, of the rows that are valid."""
    source, found = ContentIds(), {}
    for row in rows(data, form):
        try:
            request = OrderRequest.parse(row.fields or {})
        except InvalidOrder:
            continue
        found[row.number] = source.id_of(request) if request.order_id is None else request.order_id
    return found


def test_json_rows_are_numbered_by_line_and_empty_lines_are_none() -> None:
    found = rows(b'\xef\xbb\xbf{"address": "a"}\n\n   \r\n{"address": "b"}')
    assert [(row.number, row.fields) for row in found] == [(1, {"address": "a"}), (4, {"address": "b"})]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"nonsense", "not JSON at column 1"),
        (b"[1]", "not a JSON object"),
        (b'{"address": "\xff"}', "byte 14 of the line is not UTF-8"),
        (b'{"address": "a", "address": "b"}', "'address' is there twice"),
        (b'{"order_id": ' + b"1" * 5000 + b"}", "not usable JSON"),
        (b"[" * 100_000, "not usable JSON"),
        (b'{"address": "' + b"a" * MAX_LINE + b'"}', "the line is longer than"),
    ],
)
def test_a_bad_json_line_is_one_fault_and_reading_goes_on(line: bytes, fault: str) -> None:
    first, second = rows(line + b'\n{"address": "b"}\n')
    assert first.fields is None
    assert first.fault.startswith(fault)
    assert second == Row(2, 2, {"address": "b"})


def test_csv_cells_become_fields_and_empty_cells_none() -> None:
    (row,) = rows(b"address,items,email\nx,k:1:5;d:2:7,\n", Format.CSV)
    assert row.fields == {"address": "x", "items": ["k:1:5", "d:2:7"]}


def test_csv_rows_are_numbered_by_record_and_say_their_line() -> None:
    found = rows(b'address\n"two\nlines"\n\nx\n', Format.CSV)
    assert [(row.number, row.label) for row in found] == [(1, "row 1 (line 3)"), (2, "row 2 (line 5)")]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"a,b,c", "3 columns, the header has 2"),
        (b"a", "1 columns, the header has 2"),
        (b"\xff,", "address is not UTF-8"),
        (b'"a"b,', "not CSV"),
        (b"a" * (MAX_LINE + 10) + b",", "the line is longer than"),
    ],
)
def test_a_bad_csv_row_is_one_fault_and_reading_goes_on(line: bytes, fault: str) -> None:
    first, second = rows(b"address,email\n" + line + b"\nx,\n", Format.CSV)
    assert first.fault.startswith(fault)
    assert second.fields == {"address": "x"}


def test_a_quote_that_never_ends_is_a_fault_and_not_the_rest_of_the_file() -> None:
    found = rows(b'address\n"open\nx\n', Format.CSV)
    assert [row.fault for row in found] == ["not CSV: unexpected end of data"]


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (b"adress\n", "unknown column 'adress'"),
        (b"address,email,email\n", "column email is there twice"),
        (b"email\n", "column address is missing"),
        (b"address;email\n", "unknown column 'address;email'"),
        (b"\xff\n", "unknown column"),
    ],
)
def test_a_csv_header_that_cannot_be_used_stops_everything(header: bytes, fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        rows(header + b"x\n", Format.CSV)


def test_a_csv_file_without_a_header_is_refused_and_json_lines_without_lines_are_no_orders() -> None:
    with pytest.raises(UsageError, match="the CSV file is empty"):
        rows(b"", Format.CSV)
    assert rows(b"") == []


ROWS = st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=30)


@given(ROWS)
def test_running_a_file_again_gives_the_same_ids(addresses: list[str]) -> None:
    data = "\n".join(json.dumps({"address": each}) for each in addresses).encode()
    first = ids(data)
    assert ids(data) == first
    assert len(set(first.values())) == len(first)
    assert all(0 <= each < 2**63 for each in first.values())


@given(ROWS, st.sampled_from(["new", "a"]))
def test_mending_bad_rows_keeps_every_order_that_was_placed(addresses: list[str], mended: str) -> None:
    broken = "\n".join(json.dumps({"address": each}) for each in addresses).encode()
    whole = "\n".join(json.dumps({"address": each or mended}) for each in addresses).encode()
    before, after = ids(broken), ids(whole)
    assert set(before.values()) <= set(after.values())
    assert len(after) == len(addresses)
    if mended == "new":
        assert before.items() <= after.items()


def test_csv_and_json_rows_that_say_the_same_have_the_same_id() -> None:
    as_json = b'{"address":"x","items":[{"product":"k","quantity":1,"unit_price_cents":5}],"expires_in":60}'
    assert ids(as_json)[1] == ids(b"items,address,expires_in\nk:1:5,x,60.0\n", Format.CSV)[1]


def test_files_that_two_systems_wrote_of_the_same_orders_give_the_same_ids() -> None:
    one = 'address,customer\n"Mühle 5\nHayford",Zoë\n'
    other = normalize("NFD", one).replace("\n", "\r\n").replace("Hayford", "Hayford ")
    assert ids(one.encode(), Format.CSV) == ids(other.encode(), Format.CSV)


def test_rows_that_differ_in_any_field_have_different_ids() -> None:
    variants: list[dict[str, object]] = [
        {"address": "x"},
        {"address": "x", "customer": "y"},
        {"address": "x", "email": "a@example.com"},
        {"address": "x", "phone": "+436641234567"},
        {"address": "x", "currency": "USD"},
        {"address": "x", "items": ["k:1:5"]},
        {"address": "x", "items": ["k:1:5", "k:1:5"]},
        {"address": "x", "expires_in": 60},
    ]
    source = ContentIds()
    assert len({source.id_of(OrderRequest.parse(each)) for each in variants}) == len(variants)


def test_no_content_id_is_text_as_a_key() -> None:
    """One in two thousand hashes is."""
    source = ContentIds()
    made = [source.id_of(OrderRequest(address=f"{number} Streetford Road")) for number in range(20_000)]
    assert [each for each in made if keys.text_of(each) is not None] == []
    assert len(set(made)) == len(made)


def test_content_ids_never_change_between_versions_of_the_program() -> None:
    source = ContentIds()
    request = OrderRequest(address="1 Streetford Road", items=["kettle:1:3499"])
    assert [source.id_of(request), source.id_of(request)] == [1754353217873521227, 7292860040499710848]
