"""Every error of the program, by who must act.

    CommandEventError
    ├── UsageError             the user's input                        exit 2
    │   ├── InvalidOrder
    │   └── InvalidSetting
    ├── RecordError            one record, at one position: dead-letter it
    │   ├── UndecodableMessage     the sender's bytes
    │   │   ├── NullKey  WrongKeyLength  TextKey  FramedKey  NullValue
    │   │   ├── UnknownFraming  UnknownFingerprint  UnknownSchemaId  NoRegistry  UnknownType
    │   │   ├── TruncatedBody  TrailingBytes  MalformedBody  TooManyEntries
    │   │   └── KeyMismatch
    │   ├── Undeliverable          the client could not hand the record over
    │   ├── ConflictingOrder       the same order with other content
    │   ├── ForeignFact            a fact that was written outside any mode
    │   ├── UnknownFlow  InvalidCommand    an order, or a command, that nobody can carry out
    │   ├── DeliveryRejected       the outside world said no, for good
    │   └── TransientFailure       it may work the next time: bounded attempts first
    │       ├── ReactionFailed         the reaction itself broke at this record
    │       └── DeliveryDeferred       the receiver wants this message later
    │           └── OutcomeUnknown         it was sent, and nobody knows what came of it
    ├── Unreachable            something does not answer: wait, retry   exit 3
    │   ├── BrokerUnreachable  LeaderUnavailable
    │   ├── RegistryUnreachable
    │   └── DependencyUnavailable
    ├── SafetyRefusal          a safety rule                            exit 4
    │   ├── NotTheOwner  LostOffset  Fenced  StaleEpoch
    │   ├── ForeignStore  RevertedStore  ReplacedStore
    └── OperationFailed        the operation failed                    exit 1
        ├── TopicMissing  SchemaRefused
        └── NotAcknowledged  DeadlinePassed

A message is one line: what is wrong, where, what to do. `retriable` says whether the same call, or the same
record, may succeed later; `exit_code` is what the command line ends with (design §9).
"""

from typing import ClassVar, NamedTuple


class Position(NamedTuple):
    """Where a record lies: enough for an operator to fetch it again."""

    topic: str
    partition: int
    offset: int

    @property
    def topic_partition(self) -> tuple[str, int]:
        """Topic and partition number."""
        return self.topic, self.partition

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


class CommandEventError(Exception):
    """Anything this program reports about itself, its input or its surroundings."""

    exit_code: ClassVar[int] = 1
    retriable: ClassVar[bool] = False


class UsageError(CommandEventError):
    """The user's input cannot be used as it is."""

    exit_code = 2


class InvalidOrder(UsageError):
    """An order breaks one or more rules; the message names them all."""


class InvalidSetting(UsageError):
    """A setting is unknown, malformed, or one that the program must own."""


class RecordError(CommandEventError):
    """One record cannot be handled, now or ever: it goes to the dead letters with its position.

    Args:
        what: the fault, without the position.
        position: of the record; kept as `position` and put in front of the message.

    `redrivable` says whether the same record may succeed when an operator sends it again.
    """

    redrivable: ClassVar[bool] = True

    def __init__(self, what: str, position: Position) -> None:
        super().__init__(f"{position}: {what}")
        self.what = what
        self.position = position


class UndecodableMessage(RecordError):
    """The bytes at one position can never become a message: dead-letter them, do not retry."""

    redrivable = False


class NullKey(UndecodableMessage):
    """The record has no key, so nobody knows which order it is about."""


class WrongKeyLength(UndecodableMessage):
    """The key is not the eight bytes of Kafka's Long serde."""


class TextKey(UndecodableMessage):
    """The key is text of eight bytes, not a Long: nobody knows which order it names."""


class FramedKey(UndecodableMessage):
    """The key is in a schema registry's frame, not a Long: it lies where its order's records do not."""


class NullValue(UndecodableMessage):
    """The record has no value."""


class UnknownFraming(UndecodableMessage):
    """The value starts with neither framing's magic byte, or is shorter than its header."""


class UnknownFingerprint(UndecodableMessage):
    """No schema of ours has the fingerprint: it stands for one that ships with the program; no wait helps."""

    redrivable = True


class UnknownSchemaId(UndecodableMessage):
    """The registry does not know the schema id; it may be registered a moment after its first record."""

    retriable = True
    redrivable = True


class NoRegistry(UnknownSchemaId):
    """The value has a schema id, and no registry is configured to ask for it: no wait helps."""

    retriable = False


class UnknownType(UndecodableMessage):
    """A well-formed record of a type that this topic does not carry."""


class TruncatedBody(UndecodableMessage):
    """The Avro body ends before its schema does."""


class TrailingBytes(UndecodableMessage):
    """Bytes are left over after the Avro body."""


class MalformedBody(UndecodableMessage):
    """The Avro body breaks its encoding: text that is not UTF-8, a branch that the union has not."""


class TooManyEntries(UndecodableMessage):
    """A list in the body is longer than any order's: well-formed, and too much to hold in memory."""


class KeyMismatch(UndecodableMessage):
    """The key names one order, the value another."""


class Undeliverable(RecordError):
    """The client library could not hand the record over; only its position is known."""

    redrivable = False


class ConflictingOrder(RecordError):
    """The order already has its effect, made from other content."""

    redrivable = False


class ForeignFact(RecordError):
    """A fact without a mode epoch reached a reaction that replaces a command: another path may have acted."""


class UnknownFlow(RecordError):
    """An order is in a flow that this release does not know: nobody can say who does the next step."""


class InvalidCommand(RecordError):
    """A command can be read, and says something that nobody can carry out."""

    redrivable = False


class DeliveryRejected(RecordError):
    """The mail server or gateway refused this message for good."""


class TransientFailure(RecordError):
    """It did not work this time and may the next: tried a bounded number of times, then dead-lettered."""

    retriable = True


class ReactionFailed(TransientFailure):
    """The reaction's own code raised an error at this record."""


class DeliveryDeferred(TransientFailure):
    """The mail server or gateway answers, and wants this message later.

    Args:
        what: the fault, without the position.
        position: of the record.
        retry_after_ms: how long the receiver wants to be left alone; 0: it does not say.
    """

    def __init__(self, what: str, position: Position, *, retry_after_ms: int = 0) -> None:
        super().__init__(what, position)
        self.retry_after_ms = retry_after_ms


class OutcomeUnknown(DeliveryDeferred):
    """A request was sent and no answer came: nobody knows what became of it; nothing is taken back (P19)."""


class Unreachable(CommandEventError):
    """Something that we depend on does not answer."""

    exit_code = 3
    retriable = True


class BrokerUnreachable(Unreachable):
    """No broker answers at the bootstrap addresses."""


class LeaderUnavailable(Unreachable):
    """Brokers answer, but a leader or coordinator is being found: a start, a failover, a busy machine."""


class RegistryUnreachable(Unreachable):
    """The schema registry does not answer."""


class DependencyUnavailable(Unreachable):
    """A store, mail server or gateway does not answer; the record is not at fault."""


class SafetyRefusal(CommandEventError):
    """A safety rule forbids it."""

    exit_code = 4


class NotTheOwner(SafetyRefusal):
    """The group does not own the command topic (design §7, point 10)."""


class ForeignStore(SafetyRefusal):
    """The store is not the one that the committed offsets or the cluster belong to (design §7, point 5)."""


class RevertedStore(SafetyRefusal):
    """The store is in an older state than this process left it in."""


class ReplacedStore(SafetyRefusal):
    """The store, or the outbox, is not where this process opened it: removed, or another one now."""


class LostOffset(SafetyRefusal):
    """A committed offset is gone or outside the log; going on would skip or repeat (design §7, point 12)."""


class Fenced(SafetyRefusal):
    """Another writer with the same transactional id took over."""


class StaleEpoch(SafetyRefusal):
    """Somebody changed the mode since the epoch that the caller expected."""


class OperationFailed(CommandEventError):
    """The operation was allowed and possible, and failed."""


class TopicMissing(OperationFailed):
    """A topic is not there; the message says what creates it."""


class SchemaRefused(OperationFailed):
    """The registry keeps a schema of somebody else's that is not compatible with ours."""


class NotAcknowledged(OperationFailed):
    """The broker did not confirm a record in time: it may or may not be stored."""


class DeadlinePassed(OperationFailed):
    """A wait ended without what it waited for."""
