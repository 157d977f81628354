"""Dead letters counted by group and error, and what a redrive of each error comes to."""

import pytest

from clients.log_reader import LogRecord
from operations.dead_letters.listing import DeadLetter, from_record
from operations.dead_letters.prospects import NEVER, prospect
from operations.dead_letters.summary import ErrorCount, summary
from schemas import dead_letters, errors
from schemas.dead_letters import Reason
from schemas.errors import Position, RecordError
from schemas.framing import encode_key
from schemas.topics import ORDERS, Kind, Topic


def letter(group: str, error: str | None, order_id: int | None) -> DeadLetter:
    topic = Topic(name=f"{group}.{ORDERS}.dlq", kind=Kind.DEAD_LETTER, records=(), owner=group, partitions=1)
    key = None if order_id is None else encode_key(order_id)
    headers = dead_letters.to_headers(Reason(None, None, group, error, None, None))
    return from_record(topic, LogRecord(Position(topic.name, 0, 0), 0, key, b"x", headers))


def test_letters_and_orders_are_counted_by_group_and_error_the_most_first() -> None:
    with summary() as counts:
        for order_id in (1, 1, 2):
            counts.add(letter("warehouse", "schemas.errors.ForeignFact", order_id))
        counts.add(letter("sales", "schemas.errors.NullKey", None))
        counts.add(letter("sales", None, 1))
        assert list(counts.by_error()) == [
            ErrorCount("warehouse", "ForeignFact", 3, 2),
            ErrorCount("sales", None, 1, 1),
            ErrorCount("sales", "NullKey", 1, 0),
        ]
        assert (counts.number, counts.orders()) == (5, 2)


@pytest.mark.parametrize(
    "error", ["NullKey", "MalformedBody", "UnknownFraming", "TextKey", "ConflictingOrder", "Undeliverable"]
)
def test_what_nobody_can_ever_read_or_what_conflicts_can_never_succeed(error: str) -> None:
    assert prospect(error) == (False, NEVER)


@pytest.mark.parametrize(
    "error", ["ForeignFact", "NoRegistry", "UnknownSchemaId", "UnknownFingerprint", "DeliveryRejected"]
)
def test_what_depends_on_settings_or_receivers_may_succeed(error: str) -> None:
    assert prospect(error).can_succeed is True


@pytest.mark.parametrize("error", [None, "", "TheirOwnError", "Position", "UsageError", "ClassVar"])
def test_of_errors_that_are_not_ours_nobody_knows(error: str | None) -> None:
    assert prospect(error) == (None, "")


def test_every_error_that_a_redrive_may_mend_says_what_it_needs() -> None:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RecordError)
    ]
    abstract = {"RecordError", "TransientFailure"}
    silent = [kind.__name__ for kind in kinds if not prospect(kind.__name__).text]
    assert set(silent) <= abstract
