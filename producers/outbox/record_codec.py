"""An order's records as the text of an outbox row, and back: the accepted bytes are published. Pure.

    [{"topic": "orders", "key": "<base64>", "value": "<base64>", "headers": [["ce_id", "…"], …]}, …]

Keys and values are bytes of the wire, rendered when the order was accepted; headers are text. The text is
ASCII without control characters, so the text column of any database keeps it unchanged.
"""

import json
from base64 import b64decode, b64encode
from typing import Any

from clients.records import ProducerRecord
from schemas.topics import DISPATCH_PRODUCTS, ORDERS


class UnreadableRow(ValueError):
    """A row does not hold an order's records: another program wrote or changed it."""


def pack(records: tuple[ProducerRecord, ...]) -> str:
    """The text for one order's records."""
    return json.dumps(
        [
            {
                "topic": record.topic,
                "key": _text(record.key),
                "value": _text(record.value),
                "headers": record.headers,
            }
            for record in records
        ],
        separators=(",", ":"),
    )


def _text(data: bytes | None) -> str:
    if data is None:
        raise ValueError("an order's record has a key and a value")
    return b64encode(data).decode("ascii")


def unpack(text: str) -> tuple[ProducerRecord, ...]:
    """The records of a row.

    Raises:
        UnreadableRow: the text is not what `pack` makes, or names a topic that orders are not written to.
    """
    try:
        records = tuple([_record(fields) for fields in json.loads(text)])
    except UnreadableRow:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnreadableRow(f"not an order's records ({type(error).__name__}: {str(error)[:100]})") from error
    if not records:
        raise UnreadableRow("no records")
    return records


def _record(fields: Any) -> ProducerRecord:
    topic = fields["topic"]
    if topic not in (DISPATCH_PRODUCTS, ORDERS):
        raise UnreadableRow(f"orders are not written to a topic {str(topic)[:100]!r}")
    headers = [(name, value) for name, value in fields["headers"]]
    if not "".join(["".join(pair) for pair in headers]).isprintable():
        raise UnreadableRow("a header is not text")
    return ProducerRecord(
        topic, b64decode(fields["key"], validate=True), b64decode(fields["value"], validate=True), headers
    )
