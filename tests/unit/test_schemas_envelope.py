"""Headers both ways, and hostile ones: reading never fails, and only a well-formed expiry decides."""

import random
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas import avro_schemas, envelope
from schemas.envelope import MAX_ID, Envelope, child_traceparent, from_headers, new_traceparent, to_headers
from schemas.errors import Position
from schemas.times import parse_rfc3339, rfc3339

WHERE = Position("orders", 5, 77)
AT = "2026-11-21T08:30:00.000Z"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DERIVED = Envelope(message_id="orders:5:77", correlation_id="order-12001")
STATE = "congo=t61rcWkgMzE,rojo@vendor=00f067aa0ba902b7"
FULL = Envelope("id-1", "order-1", "cause-1", 1_795_249_800_123, TRACE, STATE)

WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=60)
PARENTS = st.from_regex(r"[0-9a-e]{2}-[1-9a-f][0-9a-f]{31}-[1-9a-f][0-9a-f]{15}-[0-9a-f]{2}", fullmatch=True)


def read(*headers: tuple[str, str | bytes | None]) -> Envelope:
    return from_headers(headers, order_id=12001, position=WHERE)


def on_the_wire(headers: list[tuple[str, str]]) -> list[tuple[str, str | bytes | None]]:
    """As the client hands them over: it writes text as UTF-8 and reads bytes."""
    return [(name, value.encode()) for name, value in headers]


def test_headers_are_those_of_the_design_in_its_order() -> None:
    assert to_headers(FULL, record="OrderPlaced", source="order-service", at=AT) == [
        ("ce_specversion", "1.0"),
        ("ce_id", "id-1"),
        ("ce_type", "command_event.OrderPlaced"),
        ("ce_source", "cev/order-service"),
        ("ce_time", AT),
        ("content-type", "application/avro"),
        ("ce_correlationid", "order-1"),
        ("ce_causationid", "cause-1"),
        ("ce_expirytime", "2026-11-21T08:30:00.123Z"),
        ("traceparent", TRACE),
        ("tracestate", STATE),
    ]


def test_what_an_envelope_lacks_has_no_header() -> None:
    names = [name for name, _ in to_headers(Envelope("id", "order-1"), record="X", source="y", at=AT)]
    assert names[-1] == "ce_correlationid"
    assert len(names) == 7


def test_the_type_in_a_header_is_the_avro_full_name() -> None:
    for record in avro_schemas.TYPES:
        headers = dict(to_headers(FULL, record=record.__name__, source="s", at=AT))
        assert headers["ce_type"] == avro_schemas.full_name(record)


def test_extension_names_are_lower_case_letters_and_digits() -> None:
    """CloudEvents 1.0, "Attribute Naming Convention"."""
    for name, _ in to_headers(FULL, record="X", source="s", at=AT):
        if name.startswith("ce_"):
            assert re.fullmatch(r"ce_[a-z0-9]{1,20}", name)


@given(
    st.builds(
        Envelope,
        message_id=WORDS,
        correlation_id=WORDS,
        causation_id=st.none() | WORDS,
        expires_at=st.none() | st.integers(-62_135_596_800_000, 253_402_300_799_999),
        traceparent=st.none() | PARENTS,
        tracestate=st.none() | st.just(STATE),
        unread_expiry=st.none(),
    )
)
def test_an_envelope_comes_back_as_it_was(sent: Envelope) -> None:
    headers = on_the_wire(to_headers(sent, record="OrderPlaced", source="cli", at=AT))
    state = None if sent.traceparent is None else sent.tracestate
    assert from_headers(headers, order_id=1, position=WHERE) == sent._replace(tracestate=state)


@pytest.mark.parametrize("headers", [None, [], [("other", b"x")], [("ce_id", None)], [("ce_id", b"")]])
def test_without_headers_the_ids_are_derived(headers: list[tuple[str, str | bytes | None]] | None) -> None:
    assert from_headers(headers, order_id=12001, position=WHERE) == DERIVED


def test_derived_ids_differ_by_position_and_agree_by_order() -> None:
    one = from_headers(None, order_id=-(2**63), position=Position("orders", 0, 1))
    other = from_headers(None, order_id=-(2**63), position=Position("dispatch_products", 0, 1))
    assert one.message_id != other.message_id
    assert one.correlation_id == other.correlation_id == "order--9223372036854775808"


@pytest.mark.parametrize(
    "value",
    [
        b"\xff\xfe",
        b"x" * 1_000_000,
        b"x" * (MAX_ID + 1),
        b"one\ntwo",
        b"\x1b[2J",
        b"\x00",
        "right\u202eleft".encode(),
        b"\xed\xa0\x80",
        None,
        b"",
    ],
)
def test_a_hostile_value_counts_as_absent(value: bytes | None) -> None:
    names = ("ce_id", "ce_correlationid", "ce_causationid", "ce_expirytime", "traceparent")
    found = read(*((name, value) for name in names))
    assert found._replace(unread_expiry=None) == DERIVED
    assert (found.unread_expiry is not None) == bool(value)


def test_the_longest_id_is_kept_as_it_is() -> None:
    assert read(("ce_id", b"x" * MAX_ID)).message_id == "x" * MAX_ID


def test_of_a_doubled_header_the_last_counts() -> None:
    found = read(("ce_id", b"first"), ("ce_correlationid", b"c"), ("ce_id", b"last"))
    assert found.message_id == "last"
    assert read(("ce_expirytime", AT.encode()), ("ce_expirytime", b"soon")).expires_at is None


def test_a_hundred_thousand_headers_are_read() -> None:
    found = read(*((f"h{number}", b"x") for number in range(100_000)), ("ce_id", b"id"))
    assert found.message_id == "id"


def test_names_are_matched_exactly() -> None:
    assert read(("CE_ID", b"x"), ("ce-id", b"x"), (" ce_id", b"x")) == DERIVED


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-21T08:30:00Z", 1_795_249_800_000),
        ("2026-11-21T08:30:00.5Z", 1_795_249_800_500),
        ("2026-11-21T08:30:00.123999Z", 1_795_249_800_123),
        ("2026-11-21T09:30:00+01:00", 1_795_249_800_000),
        ("2026-11-21t08:30:00z", 1_795_249_800_000),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2026-W47-6T08:30:00Z", 1_795_249_800_000),
        ("20261121T083000Z", 1_795_249_800_000),
        ("2026-11-21T08Z", 1_795_248_000_000),
        ("2026-11-21T08:30:00+0000", 1_795_249_800_000),
        ("1795249800000", 1_795_249_800_000),
        (" 2026-11-21T08:30:00Z", 1_795_249_800_000),
        ("2026-11-21T08:30:00Z ", 1_795_249_800_000),
    ],
)
def test_a_well_formed_expiry_counts(text: str, at: int) -> None:
    found = read(("ce_expirytime", text.encode()))
    assert (found.expires_at, found.unread_expiry) == (at, None)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T08:30:00",
        "2026-11-21",
        "10000-01-01T00:00:00Z",
        "+10000-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-21T25:00:00Z",
        "2026-11-21T08:30:00+25:00",
        "1795249800",
        "tomorrow",
        "\N{FULLWIDTH DIGIT NINE}999-11-21T08:30:00Z",
    ],
)
def test_a_malformed_or_naive_expiry_is_ignored_and_kept_to_be_shown(text: str) -> None:
    found = read(("ce_expirytime", text.encode()))
    assert (found.expires_at, found.unread_expiry) == (None, text)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"\xff\x00soon\n", r"\xff\x00soon\n"),
        (b"x" * 1_000_000, "x" * 60),
        ("\u202e\x1b[2J".encode(), r"\u202e\x1b[2J"),
        (b" ", " "),
    ],
)
def test_an_expiry_that_is_shown_is_short_and_printable(raw: bytes, shown: str) -> None:
    assert read(("ce_expirytime", raw)).unread_expiry == shown


def test_an_expiry_that_no_calendar_shows_is_written_as_the_last_moment() -> None:
    for beyond, written in ((2**63 - 1, "9999-12-31T23:59:59.999Z"), (-(2**63), "0001-01-01T00:00:00.000Z")):
        headers = dict(to_headers(Envelope("i", "c", None, beyond), record="X", source="s", at=AT))
        assert headers["ce_expirytime"] == written


@pytest.mark.parametrize(
    "text",
    [
        TRACE.upper(),
        TRACE.replace("-", "_"),
        TRACE[:-1],
        TRACE + "0",
        TRACE + "-more",
        "ff" + TRACE[2:],
        "00-" + "0" * 32 + TRACE[35:],
        TRACE[:36] + "0" * 16 + TRACE[52:],
        TRACE + "\n",
        "x" + TRACE,
    ],
)
def test_a_malformed_trace_parent_is_ignored(text: str) -> None:
    assert read(("traceparent", text.encode())).traceparent is None


@pytest.mark.parametrize("tail", ["", "-", "-what-the-future-brings", "-" + "x" * 150])
@pytest.mark.parametrize("version", ["01", "cc", "fe"])
def test_of_a_higher_version_the_first_55_characters_are_read(version: str, tail: str) -> None:
    """W3C Trace Context §4.3: what follows must begin with a dash."""
    parent = version + TRACE[2:]
    assert read(("traceparent", (parent + tail).encode())).traceparent == parent
    assert read(("traceparent", (parent + "x").encode())).traceparent is None


MOST = ",".join(["ab=" + "x" * 13] * 32)


@pytest.mark.parametrize(
    "state",
    [STATE, "a=b", "0tenant@sys=1", "a=1, b=2\t,c=3", "a=1,,b=2", "k=" + "v" * 256, MOST],
)
def test_a_trace_state_goes_along_as_it_is(state: str) -> None:
    found = read(("traceparent", TRACE.encode()), ("tracestate", state.encode()))
    assert (found.traceparent, found.tracestate) == (TRACE, state)


@pytest.mark.parametrize(
    "state",
    ["", "nothing", "A=b", "a=b\nx", "=b", "a=", "a=ü", "a=b=c", "k=" + "v" * 257,
     ",".join(["ab=x"] * 33), "a" * 1_000_000, ","],
)  # fmt: skip
def test_a_malformed_trace_state_alone_is_dropped(state: str) -> None:
    found = read(("traceparent", TRACE.encode()), ("tracestate", state.encode()))
    assert (found.traceparent, found.tracestate) == (TRACE, None)


def test_a_trace_state_without_a_trace_is_dropped() -> None:
    """W3C Trace Context §4.3: it must not be read where the trace parent cannot be."""
    assert read(("tracestate", STATE.encode())).tracestate is None
    assert read(("traceparent", b"00-x"), ("tracestate", STATE.encode())).tracestate is None


@given(st.integers(0, 2**32))
def test_a_new_trace_parent_is_well_formed_and_sampled(seed: int) -> None:
    random.seed(seed)
    parent = new_traceparent()
    assert read(("traceparent", parent.encode())).traceparent == parent
    assert parent.startswith("00-")
    assert parent.endswith("-01")


@given(PARENTS)
def test_a_child_keeps_trace_and_flags_and_has_a_span_of_its_own(parent: str) -> None:
    """W3C Trace Context §3.2: a later version's parent continues as version 00."""
    child = child_traceparent(parent)
    assert child is not None
    assert child[:3] == "00-"
    assert child[3:35] == parent[3:35]
    assert child[36:52] != parent[36:52]
    assert child[53:] == parent[53:]
    assert read(("traceparent", child.encode())).traceparent == child


def test_without_a_parent_there_is_no_child() -> None:
    assert child_traceparent(None) is None


OUR_NAMES = st.sampled_from(
    ["ce_id", "ce_correlationid", "ce_causationid", "ce_expirytime", "traceparent", "ce_time"]
)
ALMOST_TIMES = st.from_regex(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,20})?(Z|[+-]\d\d:\d\d)?", fullmatch=True
)
VALUES = (
    st.none() | st.binary(max_size=300) | st.text(max_size=60) | ALMOST_TIMES | ALMOST_TIMES.map(str.encode)
)


@given(
    st.lists(st.tuples(OUR_NAMES | st.text(max_size=5), VALUES), max_size=8), st.integers(-(2**63), 2**63 - 1)
)
@example([("ce_expirytime", "0001-01-01T00:00:00+23:59")], 1)
@example([("ce_expirytime", "9999-12-31T23:59:59-23:59")], 1)
@example([("ce_id", "\ud800")], 1)
def test_reading_never_fails_and_what_it_gives_can_be_sent_on(
    headers: list[tuple[str, str | bytes | None]], order_id: int
) -> None:
    found = from_headers(headers, order_id=order_id, position=WHERE)
    written = on_the_wire(to_headers(found, record="X", source="s", at=AT))
    again = from_headers(written, order_id=order_id, position=WHERE)
    assert again._replace(expires_at=None) == found._replace(expires_at=None, unread_expiry=None)
    assert found.unread_expiry is None or (found.expires_at is None and found.unread_expiry.isprintable())
    if found.expires_at is not None:
        assert again.expires_at == parse_rfc3339(rfc3339(found.expires_at))
    assert all(len(text) <= MAX_ID and text.isprintable() for text in again[:3] if text)


def test_the_module_spells_the_namespace_as_the_schemas_do() -> None:
    assert envelope.NAMESPACE == avro_schemas.NAMESPACE
