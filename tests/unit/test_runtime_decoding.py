"""An operator's word about a payment is a message of the commands' retry topic, and of no other topic."""

import pytest

from consumers.runtime.decoding import decode
from consumers.runtime.records import Decoded, FailedRecord
from schemas.codec import Codec
from schemas.decisions import PaymentResolved, resolve_headers
from schemas.errors import NullValue, Position
from schemas.framing import encode_key
from schemas.topics import CAPTURE_PAYMENTS, ORDERS
from tests.support.consumers.records import record

RESOLVED = PaymentResolved(7, "captured", "ch_1", "ada@desk", "asked")
HEADERS = [(name, str(value).encode()) for name, value in resolve_headers(RESOLVED, "f00")]
RETRY = "payments.capture_payments.retry"


def read(topic: str, source: str, value: bytes | None = None) -> Decoded | FailedRecord:
    where = Position(topic, 0, 0)
    [item] = decode(Codec(), [record(where, key=encode_key(7), value=value, headers=HEADERS, source=source)])
    assert isinstance(item, Decoded | FailedRecord)
    return item


def test_a_record_without_a_value_on_the_retry_topic_says_what_became_of_a_payment() -> None:
    item = read(RETRY, CAPTURE_PAYMENTS)
    assert isinstance(item, Decoded)
    assert (item.order_id, item.message) == (7, RESOLVED)


@pytest.mark.parametrize(
    ("topic", "source"),
    [(CAPTURE_PAYMENTS, CAPTURE_PAYMENTS), ("payments.orders.retry", ORDERS), (ORDERS, ORDERS)],
)
def test_such_headers_mean_nothing_on_any_other_topic(topic: str, source: str) -> None:
    item = read(topic, source)
    assert isinstance(item, FailedRecord)
    assert isinstance(item.error, NullValue)
