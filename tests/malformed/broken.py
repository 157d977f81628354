"""Hostile bytes: cut, flipped, framed wrongly, of another type, under keys that are none. Pure."""

import random

from schemas.commands import DispatchProduct
from schemas.control import ModeChanged
from schemas.errors import (
    FramedKey,
    KeyMismatch,
    MalformedBody,
    NullKey,
    NullValue,
    TextKey,
    TrailingBytes,
    TruncatedBody,
    UnknownFingerprint,
    UnknownFraming,
    UnknownType,
    WrongKeyLength,
)
from schemas.facts import DispatchExpired, DispatchRejected, OrderPlaced, ProductDispatched
from schemas.topics import DISPATCH_PRODUCTS, ORDERS
from tests.malformed.case import DISPATCHED, FLOW, HOME, NULL, Maker, buy, dead, maybe, placed, single, text
from tests.support.kafka.wire import framed, key_of, long_of

_HEADER = 10
LARGEST = 1_048_000
"""Bytes of a value that a source topic still takes, with its key and a few headers."""

_FLIPS = {
    3: dead(UnknownFraming),
    12: dead(UnknownFraming),
    34: dead(UnknownFingerprint),
    60: dead(UnknownFingerprint),
    81: dead(TruncatedBody),
    82: dead(MalformedBody),
    87: dead(MalformedBody),
    89: dead(TrailingBytes),
    93: dead(TruncatedBody),
    95: dead(TruncatedBody),
    115: DISPATCHED,
    159: dead(MalformedBody),
    203: DISPATCHED,
    236: DISPATCHED,
}
"""What one flipped bit of a command comes to: 80 bits of header, branch, length, address, number, flow."""


def cut(make: Maker) -> None:
    """Values that end too early, or too late."""
    for end, where in ((1, "behind the first magic byte"), (7, "inside its header")):
        make.raw(f"a command cut {where}", DISPATCH_PRODUCTS, buy()[:end], dead(UnknownFraming))
    for end, where in (
        (_HEADER, "behind its header"),
        (_HEADER + 1, "behind the branch of its address"),
        (_HEADER + 9, "inside its address"),
        (-len(FLOW), "before its last field"),
        (-1, "inside its last field"),
    ):
        make.raw(f"a command cut {where}", DISPATCH_PRODUCTS, buy()[:end], dead(TruncatedBody))
    varint = buy()[: _HEADER + 1] + long_of(2**40)[:3]
    make.raw("a command cut inside a varint", DISPATCH_PRODUCTS, varint, dead(TruncatedBody))
    make.fact("a fact cut in the middle", dead(TruncatedBody), spoil=lambda value: value[: len(value) // 2])
    make.fact("a fact without its last byte", dead(TruncatedBody), spoil=lambda value: value[:-1])
    make.raw("a command and one byte", DISPATCH_PRODUCTS, buy() + b"\x00", dead(TrailingBytes))
    make.fact("a fact written twice into one value", dead(TrailingBytes), spoil=lambda value: value * 2)


def flipped(make: Maker) -> None:
    """One bit of a command's value."""
    for bit, end in _FLIPS.items():
        value = bytearray(buy())
        value[bit // 8] ^= 1 << bit % 8
        make.raw(f"a command with bit {bit} flipped", DISPATCH_PRODUCTS, bytes(value), end)


def framed_wrongly(make: Maker) -> None:
    """Values in no frame that we know."""
    for name, value in {
        "a value with the wrong second magic byte": b"\xc3\x02" + buy()[2:],
        "a value in JSON": b'{"order_id": 1, "address": "1 Streetford Road"}',
        "a value of plain text": HOME.encode(),
        "an Avro object container file": b"Obj\x01\x04\x14avro.codec\x08null",
        "a gzip stream": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
        "an empty value": b"",
        "a zero and nothing else": b"\x00",
        "a registry header cut in its id": b"\x00\x00\x00\x01",
        "the largest value that the topic takes, of one letter": b"x" * LARGEST,
        "the largest value that the topic takes, of random bytes": b"\x7f"
        + random.Random(7).randbytes(LARGEST),
    }.items():
        make.raw(name, DISPATCH_PRODUCTS, value, dead(UnknownFraming))
    make.raw(
        "a fact of random bytes", ORDERS, b"\x80" + random.Random(8).randbytes(500), dead(UnknownFraming)
    )
    fingerprint = buy()[2:_HEADER]
    for name, other in {
        "a fingerprint of zeros": bytes(8),
        "our fingerprint, its bytes the other way round": fingerprint[::-1],
    }.items():
        value = b"\xc3\x01" + other + buy()[_HEADER:]
        make.raw(name, DISPATCH_PRODUCTS, value, dead(UnknownFingerprint))
    make.raw("a command without a value", DISPATCH_PRODUCTS, None, dead(NullValue))
    make.raw("a fact without a value", ORDERS, None, dead(NullValue))


def keys(make: Maker) -> None:
    """Keys that are no Long, and keys of another order."""
    for length in (0, 4, 7, 9, 16, 1_000):
        make.raw(
            f"a key of {length} bytes", DISPATCH_PRODUCTS, buy(), dead(WrongKeyLength), key=b"\x01" * length
        )
    make.raw("a key in decimal text", DISPATCH_PRODUCTS, buy(), dead(WrongKeyLength), key=b"7000000")
    for spelled in ("20261121", "ORDER-12", "Übung-1"):
        name = f"a key of eight bytes of text, {spelled}"
        make.raw(name, DISPATCH_PRODUCTS, buy(), dead(TextKey), key=spelled.encode())
    value = single(OrderPlaced, placed(make.next_order, make.at))
    make.raw("a fact under text of eight bytes", ORDERS, value, dead(TextKey), key=b"20261122")
    own_key = framed(5, long_of(make.next_order))
    make.raw("a command's key in a registry's frame", DISPATCH_PRODUCTS, buy(), dead(FramedKey), key=own_key)
    small = single(OrderPlaced, placed(12_004, make.at))
    key = framed(5, long_of(12_004))
    make.raw("a fact's key of eight bytes in a registry's frame", ORDERS, small, dead(FramedKey), key=key)
    make.raw("a command without a key", DISPATCH_PRODUCTS, buy(), dead(NullKey), key=None)
    make.raw("a fact without a key", ORDERS, single(OrderPlaced, placed(1, 1)), dead(NullKey), key=None)
    make.raw("neither key nor value", ORDERS, None, dead(NullKey), key=None)
    other = single(OrderPlaced, placed(1, make.at))
    make.raw("a fact under another order's key", ORDERS, other, dead(KeyMismatch))
    swapped = key_of(make.next_order)[::-1]
    own = single(OrderPlaced, placed(make.next_order, make.at))
    make.raw("a fact under its key's bytes the other way round", ORDERS, own, dead(KeyMismatch), key=swapped)


def bodies(make: Maker) -> None:
    """Bodies that lie about themselves."""
    branch = b"\x02"
    for name, body, end in (
        ("a string that claims 2^40 bytes", branch + long_of(2**40) + b"x", dead(TruncatedBody)),
        ("a string that claims 2^62 bytes", branch + long_of(2**62) + b"x", dead(TruncatedBody)),
        ("a string of minus five bytes", branch + long_of(-5) + b"hello\x02", dead(TruncatedBody)),
        ("a branch that the union has not", long_of(2) + text(HOME) + b"\x02", dead(MalformedBody)),
        ("a branch numbered 2^62", long_of(2**62) + text(HOME) + b"\x02", dead(MalformedBody)),
        # fastavro reads these two; a Java reader refuses them. Looking for them would cost as much as
        # reading the value a second time, and the order that they spell is plain.
        ("a branch numbered minus one", long_of(-1) + text(HOME) + b"\x02", DISPATCHED),
        ("a varint of thirty bytes", maybe(HOME) + b"\x82" + b"\x80" * 28 + b"\x00", DISPATCHED),
        ("a varint that fills the value", maybe(None) + b"\x80" * 1_000_000 + b"\x00", NULL),
    ):
        make.raw(name, DISPATCH_PRODUCTS, buy()[:_HEADER] + body + FLOW, end)
    for name, items in {
        "an array that claims 2^31 items": long_of(2**31),
        "an array that claims 2^62 items": long_of(2**62) + b"\x00",
        "an array that claims -2^63 items": long_of(-(2**63)) + long_of(9),
    }.items():
        make.fact(
            name, dead(TruncatedBody), items=items, spoil=lambda value: value[: value.index(b"EUR") + 20]
        )


def types(make: Maker) -> None:
    """Well-formed records of ours, on a topic that does not carry them."""
    results = {
        ProductDispatched: text(HOME) + long_of(make.at),
        DispatchRejected: text("no") + long_of(make.at),
        DispatchExpired: long_of(0) + long_of(make.at),
    }
    for record, body in results.items():
        for topic in (DISPATCH_PRODUCTS, ORDERS):
            value = single(record, long_of(make.next_order) + body)
            make.raw(f"a {record.__name__} on {topic}", topic, value, dead(UnknownType))
    order = single(OrderPlaced, placed(make.next_order, make.at))
    make.raw("a fact on the command topic", DISPATCH_PRODUCTS, order, dead(UnknownType))
    make.raw("a command on the fact topic", ORDERS, buy(), dead(UnknownType))
    mode = long_of(make.next_order) + text("event") + long_of(make.at) + text("me@here") + text("")
    make.raw("a control record on the fact topic", ORDERS, single(ModeChanged, mode), dead(UnknownType))
    first = single(DispatchProduct, maybe(HOME), version=0)
    make.raw("a command of our schema's first version", DISPATCH_PRODUCTS, first, DISPATCHED)
