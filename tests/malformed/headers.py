"""Hostile headers around records that are right: none of them but a well-formed expiry decides. Pure."""

from schemas.errors import TruncatedBody, UnknownFraming, UnknownSchemaId
from schemas.topics import DISPATCH_PRODUCTS
from tests.malformed.case import DISPATCHED, EXPIRED, Headers, Maker, buy, dead

_MEGABYTE = 1_000_000
_PAST = b"2001-01-01T00:00:00Z"
_TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

IGNORED: dict[str, Headers] = {
    "values that are no text": [
        ("ce_id", b"\xff\xfe"),
        ("ce_correlationid", b"\xed\xa0\x80"),
        ("x", b"\x80"),
    ],
    "a value of a megabyte": [("ce_correlationid", b"x" * _MEGABYTE)],
    "five thousand headers": [(f"h{number}", b"x") for number in range(5_000)],
    "five thousand headers of one name": [("ce_id", b"%d" % number) for number in range(5_000)],
    "a name of 100,000 letters": [("n" * 100_000, b"x")],
    "empty names and values": [("", b""), ("", None), ("ce_id", b""), ("ce_expirytime", None)],
    "names beyond ASCII": [("ce_íd", b"x"), ("\u202edi_ec", b"x"), ("\x1b[2J", b"x"), ("a\nb", b"x")],
    "escapes and NUL in every value": [
        (name, b"\x1b[2J\0\x9b31m" + "\u202e\u200b".encode())
        for name in ("ce_id", "ce_correlationid", "ce_causationid", "ce_type", "traceparent", "content-type")
    ],
    "every name of ours twice": [
        (name, value)
        for value in (b"first", b"last")
        for name in ("ce_specversion", "ce_id", "ce_type", "ce_source", "ce_correlationid", "content-type")
    ],
    "another type than the value's": [
        ("ce_type", b"command_event.ModeChanged"),
        ("content-type", b"text/html"),
    ],
    "trace parents that are none": [
        ("traceparent", b"ff" + _TRACE[2:]),
        ("traceparent", b"00-" + b"0" * 32 + _TRACE[35:]),
        ("traceparent", _TRACE + b"-more"),
    ],
    "an origin that it never had": [
        ("kafka_dlt-original-topic", b"dispatch_products"),
        ("kafka_dlt-original-partition", b"\xff\xff\xff\xff"),
        ("kafka_dlt-original-offset", b"\x7f" + b"\xff" * 7),
        ("kafka_dlt-exception-fqcn", b"java.lang.Error"),
        ("attempts", b"99999999999"),
    ],
    "numbers of an origin in the wrong length": [
        ("kafka_dlt-original-partition", b"1"),
        ("kafka_dlt-original-offset", b""),
        ("attempts", b"\xff"),
    ],
    "a redrive that never was": [("redrive-id", b"0" * 32), ("redrive-of", b"warehouse.orders.dlq:0:0")],
    "a discard that never was": [
        ("redrive-id", b"0" * 32),
        ("redrive-of", b"warehouse.dispatch_products.dlq:0:0"),
        ("discard-by", b"me@here"),
        ("discard-why", b"\x1b[2J because"),
    ],
}
"""Headers that decide nothing."""

NO_EXPIRY = {
    "in words": b"soon",
    "empty": b"",
    "as a number": b"-1",
    "negative": b"-2001-01-01T00:00:00Z",
    "without an offset": b"2001-01-01T00:00:00",
    "of a 30th of February": b"2001-02-30T00:00:00Z",
    "beyond the calendar": b"99999-01-01T00:00:00Z",
    "in Arabic digits": "٢٠٠١-01-01T00:00:00Z".encode(),
    "in seconds since 1970": b"978307200",
    "in the calendar's words": b"Mon, 01 Jan 2001 00:00:00 GMT",
    "of a day alone": b"2001-01-01",
    "after NUL": b"\0" + _PAST,
    "of a megabyte": _PAST[:-1] + b"." + b"0" * _MEGABYTE + b"Z",
    "in UTF-16": _PAST.decode().encode("utf-16"),
}
"""Values of `ce_expirytime` that are none."""

EXPIRY = {
    "followed by a line": (_PAST + b"\n", EXPIRED),
    "behind a blank": (b" " + _PAST, EXPIRED),
    "in quotes": (b'"' + _PAST + b'"', EXPIRED),
    "without seconds": (b"2001-01-01T00:00Z", EXPIRED),
    "in the second 60": (b"2001-01-01T00:00:60Z", EXPIRED),
    "with an offset in four digits": (b"2001-01-01T00:00:00+0000", EXPIRED),
    "with a comma": (b"2001-01-01T00:00:00,5Z", EXPIRED),
    "with its zone in brackets": (b"2001-01-01T01:00:00+01:00[Europe/Vienna]", EXPIRED),
    "in ISO 8601's basic format": (b"20010101T000000Z", EXPIRED),
    "of a week": (b"2001-W01-1T00:00:00Z", EXPIRED),
    "in milliseconds since 1970": (b"1000000000000", EXPIRED),
    "in milliseconds since 1970, to come": (b"9999999999999", DISPATCHED),
    "long ago": (_PAST, EXPIRED),
    "in the year 1": (b"0001-01-01T00:00:00+23:59", EXPIRED),
    "in the year 9999": (b"9999-12-31T23:59:59.999999999-23:59", DISPATCHED),
}
"""Values of `ce_expirytime` that count."""


def ignored(make: Maker) -> None:
    """Headers that decide nothing, around commands and facts in turn."""
    for number, (name, headers) in enumerate(IGNORED.items()):
        (make.fact if number % 2 else make.command)(f"headers: {name}", headers=headers)
    for name, value in NO_EXPIRY.items():
        make.command(f"an expiry {name}", headers=[("ce_expirytime", value)])


def schema_ids(make: Maker) -> None:
    """Schema ids in a header: one that is well-formed counts, around a bare body or any other."""
    bare, framed_value = buy()[10:], buy()
    for name, header in {
        "an id": b"\x00\x7f\xff\xff\xff",
        "a GUID": b"\x01" + bytes(range(16)),
    }.items():
        named: Headers = [("__value_schema_id", header)]
        made = f"a bare body under {name} that no registry gave out"
        make.raw(made, DISPATCH_PRODUCTS, bare, dead(UnknownSchemaId), headers=named)
        made = f"a command under {name} that no registry gave out"
        make.raw(made, DISPATCH_PRODUCTS, framed_value, dead(UnknownSchemaId), headers=named)
    for name, junk in {"text": b"5", "nothing": b"", "null": None, "one byte more": bytes(6)}.items():
        headers: Headers = [("__value_schema_id", junk)]
        make.raw(f"a command, its schema id in a header {name}", DISPATCH_PRODUCTS, framed_value, DISPATCHED,
                 headers=headers)  # fmt: skip
        make.raw(f"a bare body, its schema id in a header {name}", DISPATCH_PRODUCTS, bare,
                 dead(UnknownFraming), headers=headers)  # fmt: skip


def expiries(make: Maker) -> None:
    """Expiries that count, on a command; on a fact its value alone decides."""
    for name, (value, end) in EXPIRY.items():
        make.command(f"an expiry {name}", end=end, headers=[("ce_expirytime", value)])
    make.fact("an expiry in a fact's headers", headers=[("ce_expirytime", _PAST)])
    twice = [("ce_expirytime", _PAST), ("ce_expirytime", b"soon")]
    make.command("an expiry, and behind it one that is none", headers=twice)


def around_the_broken(make: Maker) -> None:
    """Headers that a dead letter has to keep, and that must not pass for its own."""
    for name in (
        "values that are no text",
        "a value of a megabyte",
        "five thousand headers of one name",
        "empty names and values",
        "escapes and NUL in every value",
        "an origin that it never had",
        "a redrive that never was",
        "a discard that never was",
    ):
        make.fact(
            f"a broken fact under headers: {name}",
            dead(TruncatedBody),
            headers=IGNORED[name],
            spoil=lambda value: value[:-3],
        )
