"""What no list foresees: the corpus mutated, headers and schemas made up. A record ends, and nothing else.

Extends `tests/unit/test_schemas_fuzz.py`, which draws bytes and schemas for the codec alone.
"""

import json
import struct
import time
import tracemalloc
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.runtime.dead_letters import dead_letter
from consumers.runtime.plan import DeadRecord
from schemas import dead_letters as letters
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.envelope import MAX_ID, Envelope, from_headers
from schemas.errors import Position, RecordError, TruncatedBody
from schemas.facts import OrderPlaced
from schemas.framing import header_length
from schemas.topics import DISPATCH_PRODUCTS, ORDERS
from tests.malformed.bench import GROUPS, Bench
from tests.malformed.case import HOME, Case, array, buy, item, maybe, placed, single, text
from tests.malformed.corpus import corpus
from tests.support.consumers.records import NOW, record
from tests.support.kafka.wire import WHERE, FakeRegistry, framed, key_of, long_of, record_schema

SMALL = [case for case in corpus(NOW) if case.body is not None and len(case.body) < 20_000]
PATIENT = settings(deadline=timedelta(seconds=5), max_examples=400)

REGISTRY = FakeRegistry()
CODEC = Codec(REGISTRY)
VALUES = [
    (case, case.value(None if case.schema is None else REGISTRY.add(case.schema)) or b"") for case in SMALL
]

# -- mutated records ---------------------------------------------------------------------------------------


@st.composite
def mutated(draw: st.DrawFn) -> tuple[Case, bytes]:
    """A record of the corpus after up to four changes: flip, insert, delete, cut, or splice with another."""
    case, value = draw(st.sampled_from(VALUES))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(value)))
        match draw(st.sampled_from(["flip", "insert", "delete", "cut", "splice"])):
            case "flip" if at < len(value):
                value = value[:at] + bytes([value[at] ^ 1 << draw(st.integers(0, 7))]) + value[at + 1 :]
            case "insert":
                value = value[:at] + draw(st.binary(max_size=12) | NUMBERS) + value[at:]
            case "delete":
                value = value[:at] + value[at + draw(st.integers(1, 8)) :]
            case "cut":
                value = value[:at]
            case "splice":
                _, other = draw(st.sampled_from(VALUES))
                value = value[:at] + other[draw(st.integers(0, len(other))) :]
    return case, value


NUMBERS = st.sampled_from([-(2**63), -(2**31), -1, 0, 1, 2**31, 2**40, 2**62]).map(long_of)
KEYS = st.none() | st.binary(max_size=9) | st.integers(-(2**63), 2**63 - 1).map(key_of)


@settings(PATIENT, max_examples=1_500)
@given(mutated(), st.none() | KEYS)
def test_a_mutated_record_ends_in_every_group(drawn: tuple[Case, bytes], key: bytes | None) -> None:
    case, value = drawn
    changed = case if key is None else case._replace(key=key)
    for group in GROUPS:
        bench = Bench(group, CODEC, {})
        if bench.reads(case.topic):
            assert bench.end(changed, value, Position(case.topic, 0, 7))


@settings(PATIENT, max_examples=1_500)
@given(mutated())
def test_bytes_that_are_read_are_read_the_same_again(drawn: tuple[Case, bytes]) -> None:
    case, value = drawn
    try:
        message = CODEC.decode(case.topic, case.key, value, WHERE)
    except RecordError as error:
        told = error.what
    else:
        told = "read"
        written = Codec().encode(case.topic, message)
        assert Codec().decode(case.topic, case.key, written, WHERE) == message
    assert told.isprintable()
    assert len(told) < 400


FACT = placed(1, NOW, items=array([item(cents=2**50)] * 3), dispatch_before=b"\x02" + long_of(NOW))
WHOLE = [(DISPATCH_PRODUCTS, buy("1 Straße", 2**40)), (ORDERS, single(OrderPlaced, FACT))]


@pytest.mark.parametrize(("topic", "value"), WHOLE, ids=["command", "fact"])
def test_a_body_cut_anywhere_is_told_to_be_cut(topic: str, value: bytes) -> None:
    assert Codec().decode(topic, key_of(1), value, WHERE)
    for end in range(header_length(value, WHERE), len(value)):
        with pytest.raises(TruncatedBody):
            Codec().decode(topic, key_of(1), value[:end], WHERE)


# -- headers -----------------------------------------------------------------------------------------------

NAMES = st.text(max_size=12) | st.sampled_from(
    ["ce_id", "ce_correlationid", "ce_causationid", "ce_expirytime", "traceparent", "attempts", "redrive-of"]
    + [letters.PREFIX + name for name in ("original-topic", "original-partition", "original-offset")]
)
TIMES = st.builds(
    "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{}{}".format,
    *(st.integers(0, highest) for highest in (9_999, 13, 32, 25, 60, 61, 10**12)),
    st.sampled_from(["Z", "z", "+23:59", "-99:99", ""]),
).map(str.encode)
HEADER_VALUES = st.none() | st.binary(max_size=40) | st.text(max_size=20).map(
    lambda word: word.encode("utf-8", "surrogatepass")
) | TIMES  # fmt: skip
HEADERS = st.lists(st.tuples(NAMES, HEADER_VALUES), max_size=12)


@PATIENT
@given(HEADERS, st.integers(-(2**63), 2**63 - 1))
def test_any_headers_are_an_envelope_of_short_printable_text(
    headers: list[tuple[str, bytes | None]], order_id: int
) -> None:
    found = from_headers(headers, order_id=order_id, position=WHERE)
    assert isinstance(found, Envelope)
    for each in (found.message_id, found.correlation_id, found.causation_id, found.traceparent):
        assert each is None or (each.isprintable() and 0 < len(each) <= MAX_ID)
    assert found.expires_at is None or -(2**63) <= found.expires_at < 2**63


@PATIENT
@given(st.none() | st.binary(), st.none() | st.binary(), HEADERS, st.sampled_from(["", "retry"]), st.text())
def test_any_record_comes_back_from_its_dead_letter(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]], kind: str, words: str
) -> None:
    topic = f"warehouse.{ORDERS}.retry" if kind else ORDERS
    lay = record(Position(topic, 3, 42), key=key, value=value, headers=headers, source=ORDERS)
    out = dead_letter(DeadRecord(lay, TruncatedBody(words, lay.position), 2), "warehouse")
    assert (out.key, out.value) == (key, value)
    ours = {letters.PREFIX + "exception-fqcn", letters.PREFIX + "exception-message", "attempts"}
    kept = [each for each in headers if not kind or each[0] not in ours]
    assert out.headers[: len(kept)] == kept
    said = letters.parse(out.headers)
    assert said.error == "schemas.errors.TruncatedBody"
    if not kind:
        assert (said.origin, said.group, said.attempts) == (lay.position, "warehouse", 2)
    assert len(letters.readable(out.headers)) == len(out.headers)


# -- schemas of others -------------------------------------------------------------------------------------

VALUES_OF: dict[str, st.SearchStrategy[bytes]] = {
    "null": st.just(b""),
    "boolean": st.sampled_from([b"\x00", b"\x01"]),
    "int": st.integers(-(2**31), 2**31 - 1).map(long_of),
    "long": st.integers(-(2**63), 2**63 - 1).map(long_of),
    "double": st.floats(allow_nan=True).map(lambda number: struct.pack("<d", number)),
    "bytes": st.binary(max_size=20).map(text),
    "string": st.text(st.characters(codec="utf-8"), max_size=20).map(text),
}


@st.composite
def extra(draw: st.DrawFn, levels: int = 3) -> tuple[Any, bytes]:
    """A type that ours has not, and a value of it."""
    kind = draw(st.sampled_from([*VALUES_OF, *(["array", "map", "nullable"] if levels else [])]))
    if kind in VALUES_OF:
        return kind, draw(VALUES_OF[kind])
    avro, value = draw(extra(levels - 1))
    if kind == "nullable" and avro != "null" and not isinstance(avro, list):
        return ["null", avro], b"\x02" + value
    if kind == "map":
        return {"type": "map", "values": avro}, long_of(1) + text("key") + value + b"\x00"
    if not value or avro == "null":
        return "int", b"\x00"
    return {"type": "array", "items": avro}, long_of(2) + value * 2 + b"\x00"


@PATIENT
@given(st.lists(extra(), max_size=4), st.lists(extra(), max_size=4), st.text(st.characters(codec="utf-8")))
def test_whatever_others_add_around_our_fields_ours_come_back(
    before: list[tuple[Any, bytes]], behind: list[tuple[Any, bytes]], address: str
) -> None:
    def fields(name: str, drawn: list[tuple[Any, bytes]]) -> list[dict[str, Any]]:
        return [{"name": f"{name}{number}", "type": avro} for number, (avro, _) in enumerate(drawn)]

    ours: list[dict[str, Any]] = [
        {"name": "address", "type": ["null", "string"]},
        {"name": "mode_epoch", "type": "long"},
    ]
    schema = record_schema(*fields("a", before), *ours, *fields("b", behind))
    body = b"".join(
        [*(value for _, value in before), maybe(address), long_of(5), *(value for _, value in behind)]
    )
    registry = FakeRegistry()
    value = framed(registry.add(json.dumps(schema)), body)
    assert Codec(registry).decode(DISPATCH_PRODUCTS, key_of(1), value, WHERE) == DispatchProduct(
        1, address, 5
    )


# -- claims ------------------------------------------------------------------------------------------------

CLAIMS = [2**20, 2**31, 2**40, 2**62, 2**63 - 1, -1, -(2**31), -(2**63)]
PLACES: dict[str, tuple[dict[str, Any], bytes]] = {
    "bytes": ({"type": "bytes"}, b""),
    "string": ({"type": "string"}, b""),
    "array": ({"type": "array", "items": "int"}, b""),
    "array of arrays": ({"type": "array", "items": {"type": "array", "items": "int"}}, b"\x02"),
    "array of nullables": ({"type": "array", "items": ["null", "null_"]}, b""),
    "map": ({"type": "map", "values": "int"}, b""),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("place", PLACES)
def test_a_claim_of_any_size_takes_neither_memory_nor_time(place: str, claim: int) -> None:
    avro, lead = PLACES[place]
    kind = json.loads(json.dumps(avro).replace('"null_"', '"boolean"'))
    registry = FakeRegistry()
    schema = record_schema({"name": "address", "type": ["null", "string"]}, {"name": "more", "type": kind})
    value = framed(registry.add(schema), maybe(HOME) + lead + long_of(claim) + b"\x00" * 1_000)
    codec, begun = Codec(registry), time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(RecordError):
            codec.decode(DISPATCH_PRODUCTS, key_of(1), value, WHERE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000
    assert time.process_time() - begun < 1


@pytest.mark.timeout(60)
def test_a_schema_that_is_of_no_use_is_judged_once() -> None:
    registry = FakeRegistry()
    columns = [{"name": f"c{number}", "type": ["null", "string"]} for number in range(9_000)]
    value = framed(
        registry.add(record_schema(*columns, {"name": "x", "type": {"type": "array", "items": "null"}})), b""
    )
    codec = Codec(registry)
    told = []
    for offset in range(2_000):
        with pytest.raises(RecordError) as caught:
            codec.decode(DISPATCH_PRODUCTS, key_of(1), value, Position(DISPATCH_PRODUCTS, 0, offset))
        told.append(str(caught.value))
    assert registry.asked == 1
    assert told[1_999].startswith("dispatch_products:0:1999: its writer's schema cannot be used")
