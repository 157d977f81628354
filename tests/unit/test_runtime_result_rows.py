"""Results come out of the store as they went in, byte for byte, whatever positions are asked for."""

from hypothesis import given
from hypothesis import strategies as st

from clients.records import ANY_PARTITION, ProducerRecord
from consumers.runtime.stores.result_rows import ResultRow, pack, unpack
from schemas.errors import Position

positions = st.builds(
    Position, st.sampled_from(["orders", "dispatch_products"]), st.integers(0, 2), st.integers(0, 20)
)
text = st.text()
outgoing = st.builds(
    ProducerRecord,
    text,
    st.none() | st.binary(),
    st.none() | st.binary(),
    st.lists(st.tuples(text, st.none() | text | st.binary())),
    st.just(ANY_PARTITION),
)
results = st.lists(st.tuples(positions, outgoing))


@given(results, st.sets(positions))
def test_each_wanted_position_comes_back_whole_and_in_its_order(
    given_results: list[tuple[Position, ProducerRecord]], also: set[Position]
) -> None:
    wanted = {where for where, _ in given_results[::2]} | also
    found = unpack(pack(given_results), wanted)
    by_position = sorted({where for where, _ in found})
    assert [where for where, _ in found] == sorted(where for where, _ in found)
    for where in by_position:
        assert [out for each, out in found if each == where] == [
            out for each, out in given_results if each == where
        ]
    assert set(by_position) == {where for where, _ in given_results} & wanted


def test_every_byte_value_survives() -> None:
    every = bytes(range(256))
    made = [(Position("orders", 0, 1), ProducerRecord("t", every, every * 3, [("n", "v\x00\u20ac")]))]
    assert unpack(pack(made), [Position("orders", 0, 1)]) == made


@given(results)
def test_a_row_says_the_lowest_and_the_highest_offset_that_it_holds(
    given_results: list[tuple[Position, ProducerRecord]],
) -> None:
    for row in pack(given_results):
        held = [w.offset for w, _ in given_results if w[:2] == (row.source_topic, row.source_partition)]
        assert (row.first_offset, row.last_offset) == (min(held), max(held))


def test_a_position_that_two_rows_hold_is_given_once() -> None:
    made = [(Position("orders", 0, 1), ProducerRecord("t", None, b"first", []))]
    rows = [*pack(made), *pack([(made[0][0], ProducerRecord("t", None, b"second", []))])]
    assert unpack(rows, [made[0][0]]) == made


def test_a_row_of_an_earlier_version_is_read() -> None:
    records = '[[1, "t", "\u00ff", null, [["n", "v"], ["b", ["\u00fe"]], ["none", null]]]]'
    headers: list[tuple[str, str | bytes | None]] = [("n", "v"), ("b", b"\xfe"), ("none", None)]
    made = [(Position("orders", 0, 1), ProducerRecord("t", b"\xff", None, headers))]
    assert unpack([ResultRow("orders", 0, 1, 1, records)]) == made


def test_nothing_packs_to_no_row() -> None:
    assert pack([]) == []
    assert unpack([ResultRow("orders", 0, 1, 1, "[]")], [Position("orders", 0, 1)]) == []
