"""What the client library's errors mean, and the calls that work around them.

I/O: Kafka (metadata requests, each with a deadline; the transactional calls that it is given).
"""

from collections.abc import Callable
from operator import methodcaller
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException, Message

from clients.deadline import Deadline
from schemas.envelope import Headers
from schemas.errors import BrokerUnreachable, CommandEventError, NotAcknowledged, TopicMissing

ALL_BROKERS_DOWN: int = KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001 - public: librdkafka's local codes begin so
AUTO_OFFSET_RESET: int = KafkaError._AUTO_OFFSET_RESET  # noqa: SLF001 - public: librdkafka's local codes begin so
FATAL: int = KafkaError._FATAL  # noqa: SLF001 - public: librdkafka's local codes begin so
FENCED_HERE: int = KafkaError._FENCED  # noqa: SLF001 - public: librdkafka's local codes begin so
MSG_TIMED_OUT: int = KafkaError._MSG_TIMED_OUT  # noqa: SLF001 - public: librdkafka's local codes begin so
PARTITION_EOF: int = KafkaError._PARTITION_EOF  # noqa: SLF001 - public: librdkafka's local codes begin so
STATE: int = KafkaError._STATE  # noqa: SLF001 - public: librdkafka's local codes begin so
RESOLVE: int = KafkaError._RESOLVE  # noqa: SLF001 - public: librdkafka's local codes begin so
TIMED_OUT: int = KafkaError._TIMED_OUT  # noqa: SLF001 - public: librdkafka's local codes begin so
TRANSPORT: int = KafkaError._TRANSPORT  # noqa: SLF001 - public: librdkafka's local codes begin so
UNKNOWN_PARTITION: int = KafkaError._UNKNOWN_PARTITION  # noqa: SLF001 - public: librdkafka's local codes begin so
UNKNOWN_TOPIC: int = KafkaError._UNKNOWN_TOPIC  # noqa: SLF001 - public: librdkafka's local codes begin so

_FENCED = frozenset(
    {
        FENCED_HERE,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    }
)
_NO_TOPIC = frozenset(
    {
        UNKNOWN_TOPIC,
        UNKNOWN_PARTITION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)
_NO_ANSWER = frozenset(
    {
        KafkaError.REQUEST_TIMED_OUT,
        TRANSPORT,
        ALL_BROKERS_DOWN,
        RESOLVE,
        TIMED_OUT,
        MSG_TIMED_OUT,
    }
)
_RECORD_REFUSED = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.POLICY_VIOLATION,
    }
)
STALE_MEMBER = frozenset(
    {
        FENCED_HERE,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.REBALANCE_IN_PROGRESS,
    }
)
"""Answers to a commit of offsets which say that the group moved on and the member is not what it was."""

_SHORTEST_STEP_S = 1.0
_LONGEST_STEP_S = 10.0

CLIENT_ERRORS = (KafkaException, SystemError)
"""What a producer's calls raise.

The binding raises a fatal error out of whichever call serves it. Where the same call serves a delivery
report too, Python sees a callback that ran with an exception set, and makes it a SystemError.
"""


def kafka_error_of(error: Exception) -> KafkaError:
    """The library's error inside one of `CLIENT_ERRORS`; code `FATAL` where none is inside."""
    for candidate in (error, error.__cause__, error.__context__):
        if isinstance(candidate, KafkaException) and isinstance(candidate.args[0], KafkaError):
            return candidate.args[0]
    return KafkaError(FATAL)


# confluent-kafka 2.16 leaves an exception pending at a header whose name is not UTF-8; the interpreter's own
# fast call of a method does not look for one, and the next call of anything would fail in its stead.
_headers = methodcaller("headers")


def headers_of(message: Message) -> Headers | None:
    """A record's headers; None where the client cannot read them, as one's name is not UTF-8."""
    try:
        headers: Headers = _headers(message) or ()
    except (SystemError, UnicodeDecodeError):
        return None
    return headers


class StaleBatch(Exception):
    """The group moved on since the batch was read; nothing of it may be committed."""


class AsksMetadata(Protocol):
    """A client of either kind."""

    def list_topics(self, topic: str | None = ..., timeout: float = ...) -> Any:
        """What the cluster has."""


def is_fenced(error: KafkaError) -> bool:
    """Whether another producer with the same transactional id took over (KIP-98)."""
    return error.code() in _FENCED


def is_topic_missing(error: KafkaError) -> bool:
    """Whether a topic, or a partition of it, is not there."""
    return error.code() in _NO_TOPIC


def is_record_refused(error: KafkaError) -> bool:
    """Whether the record itself is at fault, whoever sends it and whenever.

    Everything else that fails a record can be mended from outside.
    """
    return error.code() in _RECORD_REFUSED


def is_no_answer(error: KafkaError) -> bool:
    """Whether nobody answered, so that what was sent may or may not have arrived."""
    return error.code() in _NO_ANSWER


def delivery_error(order_id: int, error: KafkaError) -> CommandEventError:
    """What a record's delivery error means for its order: why it is not known to be stored."""
    if is_topic_missing(error):
        return TopicMissing(
            f"order {order_id} is not placed: {error.str()}; `cev topics create` creates topics"
        )
    if is_no_answer(error):
        return unconfirmed(order_id)
    return NotAcknowledged(f"order {order_id} is not placed: the broker refused it ({error.str()})")


def unconfirmed(order_id: int) -> NotAcknowledged:
    """The error of an order whose deadline passed without an answer."""
    return NotAcknowledged(
        f"order {order_id} was not acknowledged in time: it may or may not be stored; placing it again under "
        "the same id is safe"
    )


def broker_responds(client: AsksMetadata, timeout_s: float) -> bool:
    """Whether any broker answers a question within that time."""
    try:
        client.list_topics(timeout=timeout_s)
    except KafkaException:
        return False
    return True


def partitions_of(
    client: AsksMetadata, names: tuple[str, ...], *, bootstrap: str, timeout_s: float
) -> dict[str, int]:
    """How many partitions each topic has.

    Raises:
        BrokerUnreachable: no broker answered in time.
        TopicMissing: one or more are not there; the message says what creates them.
    """
    try:
        topics = client.list_topics(timeout=timeout_s).topics
    except KafkaException as error:
        raise unreachable(bootstrap, timeout_s) from error
    missing = [name for name in names if name not in topics or topics[name].error is not None]
    if missing:
        kind = "topic" if len(missing) == 1 else "topics"
        raise TopicMissing(
            f"the cluster at {bootstrap} has no {kind} {', '.join(missing)}; `cev topics create` creates "
            f"{'it' if len(missing) == 1 else 'them'}"
        )
    return {name: len(topics[name].partitions) for name in names}


def unreachable(bootstrap: str, timeout_s: float) -> BrokerUnreachable:
    """The error for brokers of which none answered in time."""
    return BrokerUnreachable(f"no broker answered at {bootstrap} within {timeout_s:g} s; is it running?")


def retry_transactional(step: Callable[[float], object], deadline: Deadline) -> None:
    """Make a transactional call; librdkafka resumes one that failed retriably when it is made again.

    Args:
        step: the call; takes its timeout in seconds. It gets a second at least, however late it is.
        deadline: when to stop making it again.

    Raises:
        KafkaException: it failed for another reason, or retriably until the deadline.
    """
    while True:
        try:
            step(min(max(deadline.left, _SHORTEST_STEP_S), _LONGEST_STEP_S))
        except KafkaException as error:
            if not error.args[0].retriable() or deadline.passed:
                raise
        else:
            return


def commit_error(error: KafkaError) -> Exception:
    """What a refused or unanswered commit of offsets means: `StaleBatch`, or `BrokerUnreachable`."""
    if error.code() in STALE_MEMBER:
        return StaleBatch(error.str())
    return BrokerUnreachable(f"offsets cannot be committed: {error.str()}")
