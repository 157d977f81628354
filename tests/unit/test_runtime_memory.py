"""A record that failed holds nothing but itself: no frame, and so no other record of its batch."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from consumers.runtime.decide import decide
from consumers.runtime.decoding import decode
from consumers.runtime.reaction import Context
from consumers.runtime.records import ConsumerRecord, FailedRecord
from schemas.codec import Codec
from schemas.errors import Position
from schemas.framing import encode_key
from schemas.topics import ORDERS
from tests.support.consumers.records import context, fact, policy


class Batch(list[ConsumerRecord]):
    """A list that can be watched."""


@pytest.fixture(autouse=True)
def _nothing_is_collected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("value", [b"poison", b"\xc3\x01" + b"\0" * 8 + b"x", b"\0\0\0\0\x07x"])
def test_a_record_that_cannot_be_decoded_keeps_no_batch_alive(value: bytes) -> None:
    records = Batch(
        ConsumerRecord(Position(ORDERS, 0, offset), ORDERS, 1, encode_key(offset), value, [])
        for offset in range(3)
    )
    watched = weakref.ref(records)
    waiting = decode(Codec(), records)[0]
    assert isinstance(waiting, FailedRecord)
    del records
    assert watched() is None


def test_a_record_that_a_reaction_refuses_keeps_no_batch_alive() -> None:
    class Watched(Context):
        """A context that can be watched."""

    given = Watched(**{name: getattr(context(), name) for name in ("now", "first_start_at")})
    plan = decide([fact(7, flow="tomorrow")], {}, {}, given, policy("warehouse"))
    watched = weakref.ref(given)
    assert [type(dead.error).__name__ for dead in plan.dead] == ["UnknownFlow"]
    del given
    assert watched() is None
