"""Rows from JSON lines and CSV, and the ids that their content gives."""

import gzip
import io
import json
from collections.abc import Callable
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.bulk.content_ids import ContentIds
from producers.bulk.row_reader import MAX_LINE, Format, Row, read_rows
from producers.bulk.text_source import recognise
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


SHEET = 'order_id,address,email,items\n5,"1 Mill Lane, Hayford",,k:1:5\n,M\u00fchle,a@b.example,\n'
CELLS = [
    {"order_id": "5", "address": "1 Mill Lane, Hayford", "items": ["k:1:5"]},
    {"address": "M\u00fchle", "email": "a@b.example"},
]


@pytest.mark.parametrize(
    "layout",
    [
        SHEET,
        SHEET.replace("\n", "\r\n"),
        SHEET.replace("\n", "\r"),
        SHEET.replace(",", ";").replace("Lane;", "Lane,"),
        SHEET.replace(",", "\t").replace("Lane\t", "Lane,"),
        SHEET.replace(",", "|").replace("Lane|", "Lane,"),
        "sep=;\n" + SHEET.replace(",", ";").replace("Lane;", "Lane,"),
        "SEP=,\r\n" + SHEET.replace("\n", "\r\n"),
        "\n\n" + SHEET,
        SHEET.replace("\n", ",,\n") + ",,,,,\n , \n\n",
        SHEET.replace("5,k:1:5\n", "5,k:1:5,,,\n"),
        SHEET.replace("order_id,address,email", "Order ID,ADDRESS,E-Mail"),
        SHEET.replace("order_id,address,email", '"Order-Id"," Address ","e mail"'),
    ],
)
def test_csv_of_any_office_says_the_same(layout: str) -> None:
    assert [row.fields for row in rows(layout.encode(), Format.CSV)] == CELLS


def test_a_column_without_a_title_must_be_empty() -> None:
    first, second = rows(b"address,\na,\nb,c\n", Format.CSV)
    assert (first.fields, second.fault) == ({"address": "a"}, "column 2 has no title")


def test_a_cell_that_holds_the_delimiter_needs_quotes_and_the_fault_says_so() -> None:
    [row] = rows(b"address;items\nx;k:1:5;d:2:7\n", Format.CSV)
    assert row.fault == "3 columns, the header has 2; a cell with a ';' in it needs quotes"
    [row] = rows(b'address;items\nx;"k:1:5;d:2:7"\n', Format.CSV)
    assert row.fields == {"address": "x", "items": ["k:1:5", "d:2:7"]}


def recognised(data: bytes, encoding: str | None = None) -> list[Row]:
    source = recognise(io.BytesIO(data), "orders.csv", encoding)
    return list(read_rows(source.stream, Format.CSV, source.encoding))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("packed", [bytes, gzip.compress])
def test_compression_and_encoding_are_recognised(encoding: str, packed: Callable[[bytes], bytes]) -> None:
    assert [row.fields for row in recognised(packed(SHEET.encode(encoding)))] == CELLS


@pytest.mark.parametrize("mark", ["utf-16-le", "utf-16-be"])
def test_either_order_of_bytes_is_recognised_by_its_mark(mark: str) -> None:
    assert [row.fields for row in recognised(("\ufeff" + SHEET).encode(mark))] == CELLS
    assert [row.fields for row in recognised(SHEET.encode(mark), mark)] == CELLS


def test_an_encoding_of_one_byte_must_be_named() -> None:
    data = SHEET.encode("cp1252")
    with pytest.raises(
        UsageError, match=r"\Aorders\.csv: line 3 is not UTF-8, .* --encoding cp1252 [^\n]*\Z"
    ):
        recognised(data)
    assert [row.fields for row in recognised(data, "cp1252")] == CELLS
    damaged = recognised(data, "utf-8")
    assert [row.fault.partition(",")[0] for row in damaged] == ["", "address is not UTF-8"]


def test_damage_in_a_file_of_utf_8_fails_its_row_alone() -> None:
    data = SHEET.encode() + b",\xff,,\n"
    assert [bool(row.fault) for row in recognised(data)] == [False, False, True]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"PK\x03\x04...", "a zip archive, as .xlsx spreadsheets are: save the sheet as CSV"),
        (SHEET.encode("utf-16-le"), "UTF-16 without a byte order mark: if so, say --encoding utf-16-le"),
        (b"\x1f\x8b damaged", "orders.csv: "),
    ],
)
def test_what_is_no_text_is_refused_with_the_remedy(data: bytes, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        recognised(data)


def test_an_encoding_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="utf-99 is not an encoding"):
        recognised(b"", "utf-99")


def test_a_compressed_file_that_is_cut_off_ends_in_a_fault() -> None:
    data = ("address\n" + "".join(f"{number} Mill Lane\n" for number in range(300_000))).encode()
    *read, last = recognised(gzip.compress(data)[:-2000])
    assert len(read) > 100_000
    assert last.fault.startswith("the file cannot be read on: ")
    assert all(row.fields and row.fields["address"].endswith("Mill Lane") for row in read)


def test_csv_rows_are_numbered_by_record_and_say_their_line() -> None:
    found = rows(b'address\n"two\nlines"\n\nx\n', Format.CSV)
    assert [(row.number, row.label) for row in found] == [(1, "row 1 (line 3)"), (2, "row 2 (line 5)")]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"a,b,c", "3 columns, the header has 2"),
        (b"a", "1 column, the header has 2"),
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
        (b"adress\n", "unknown column 'adress'; did you mean address?"),
        (b"address,email,email\n", "column email is there twice"),
        (b"email\n", "column address is missing"),
        (b"address email\n", "unknown column 'address email'"),
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


ORDERS = [{"address": "1 Mill Lane"}, {"address": "M\u00fchle", "items": ["k:1:5"]}, {"address": "3 {[,]}"}]


@pytest.mark.parametrize(
    "layout",
    [
        json.dumps(ORDERS),
        json.dumps(ORDERS, indent=2),
        json.dumps(ORDERS, indent=0),
        "\n \n" + json.dumps(ORDERS, indent="\t") + "\n\n",
        "[" + ",\n".join(json.dumps(order) for order in ORDERS) + "]",
        "\n".join(json.dumps(order, indent=4) for order in ORDERS),
        "\n\n".join(json.dumps(order, indent=4) for order in ORDERS).replace("\n", "\r\n"),
        "\r".join(json.dumps(order) for order in ORDERS),
    ],
)
def test_json_in_any_layout_says_the_same(layout: str) -> None:
    assert [(row.fields, row.fault) for row in rows(layout.encode())] == [(order, "") for order in ORDERS]


@given(
    st.lists(
        st.dictionaries(st.text(max_size=4), st.text() | st.integers() | st.lists(st.text()), max_size=4)
    ),
    st.sampled_from([None, 0, 1, "\t"]),
)
def test_an_array_has_the_rows_that_its_lines_would_have(
    objects: list[dict[str, object]], indent: int
) -> None:
    as_array = rows(json.dumps(objects, indent=indent, ensure_ascii=False).encode())
    assert [row.fields for row in as_array] == objects
    assert [row.number for row in as_array] == list(range(1, len(objects) + 1))


def test_rows_over_lines_say_where_they_are() -> None:
    as_objects = rows(b'{\n "address": "a"\n}\n{"address": "b"}\n')
    assert [row.label for row in as_objects] == ["row 1 (line 3)", "row 4"]
    as_array = rows(b'[\n {\n "address": "a"\n },\n {"address": "b"}\n]\n')
    assert [row.label for row in as_array] == ["row 1 (line 4)", "row 2 (line 5)"]


@pytest.mark.parametrize(
    ("data", "faults"),
    [
        (b'[{"address": "a"}, 5, {"address": "a", "address": "b"}, {"address": "b"}]', 2),
        (b'[{"address": "a"},\n{"address" "x"},\n{"address": "b"}]', 1),
        (b'[{"address": "a"}, {"address": "b"}', 1),
        (b'[{"address": "a"}, {"address": "b"}, {"addr', 1),
        (b'[{"address": "a"}, {"address": "\xff"}, {"address": "b"}]', 1),
        (b'[{"address": "a"}]\n{"address": "b"}', 0),
        (b'[{"address": "a"}] nonsense\n{"address": "b"}', 1),
        (b'{"address": "a"}\n{\n "address": "x",\n{"address": "b"}', 2),
        (b'{"address": "a"}\n{\n "address" "x"\n}\n{"address": "b"}', 3),
        (b'{"address": "a"}\n{"address": "b"}\n{', 1),
    ],
)
def test_what_cannot_be_read_among_json_is_a_fault_and_the_rest_is_read(data: bytes, faults: int) -> None:
    read = rows(data)
    assert [row.fields["address"] for row in read if row.fields] == ["a", "b"]
    assert len([row for row in read if row.fault]) == faults


def test_an_array_may_be_longer_than_a_line_and_an_element_may_not() -> None:
    order = {"address": "x" * 1000}
    assert len(rows(json.dumps([order] * (2 * MAX_LINE // 1000)).encode())) == 2 * MAX_LINE // 1000
    read = rows(json.dumps([{"address": "x" * 2 * MAX_LINE}]).encode())
    assert [row.fields for row in read] == [None]


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
    items = b'[{"product":"k","quantity":1,"unit_price_cents":5}]'
    as_json = b'{"address":"x","items":' + items + b',"expires_in":60,"pay":"t"}'
    assert ids(as_json)[1] == ids(b"items,address,expires_in,pay\nk:1:5,x,60.0, t\n", Format.CSV)[1]


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
        {"address": "x", "pay": "tok_ok"},
        {"address": "x", "pay": "tok_declined"},
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
    assert source.id_of(request.model_copy(update={"pay": "tok_ok"})) == 2672694253998869760
