"""Result records: a fact or command that a message causes, as bytes and headers; pure.

The message id is made of the effect key, so the same result sent again has the same `ce_id`.
"""

from dataclasses import dataclass, field

from clients.records import ProducerRecord
from consumers.runtime.reaction import AnyReaction, BrokenReaction, IssuedCommand
from consumers.runtime.records import Decoded
from schemas.codec import Codec
from schemas.commands import Command, SendNotification
from schemas.envelope import Envelope, child_traceparent, to_headers
from schemas.facts import Fact
from schemas.framing import encode_key
from schemas.topics import BY_NAME


@dataclass(slots=True)
class ResultRenderer:
    """Renders what one reaction returns.

    Attributes:
        reaction: the reaction; its `writes` and `issues` decide the topic.
        codec: encodes the values.
        at: the batch's time as RFC 3339 text, set once per batch.
    """

    reaction: AnyReaction
    codec: Codec
    at: str = ""
    _topics: dict[type[Fact | Command], str] = field(default_factory=dict)

    def render(self, outgoing: Fact | IssuedCommand, cause: Decoded) -> ProducerRecord:
        """The record of a fact or command that a message causes.

        Args:
            outgoing: what the reaction returned.
            cause: the message, decoded.

        Raises:
            BrokenReaction: no topic in the reaction's `writes` or `issues` carries such records.
            RegistryUnreachable: the registry did not answer; nothing was decided.
        """
        if isinstance(outgoing, IssuedCommand):
            message: Fact | Command = outgoing.command
            expires_at = outgoing.expires_at
        else:
            message, expires_at = outgoing, None
        record, group, received = type(message), self.reaction.name, cause.envelope
        topic = self._topics.get(record) or self._topic_of(record)
        traceparent = child_traceparent(received.traceparent)
        envelope = Envelope(
            message_id=f"{group}/{cause.order_id}/{_name_of(message)}",
            correlation_id=received.correlation_id,
            causation_id=received.message_id,
            expires_at=expires_at,
            traceparent=traceparent,
            tracestate=None if traceparent is None else received.tracestate,
        )
        headers = to_headers(envelope, record=record.__name__, source=group, at=self.at)
        return ProducerRecord(
            topic, encode_key(cause.order_id), self.codec.encode(topic, message), [*headers]
        )

    def _topic_of(self, record: type[Fact | Command]) -> str:
        for topic in (*self.reaction.writes, *self.reaction.issues):
            if record in BY_NAME[topic].records:
                self._topics[record] = topic
                return topic
        raise BrokenReaction(
            f"{self.reaction.name} returned a {record.__name__}, which no topic in its `writes` or `issues` "
            "carries"
        )


def _name_of(message: Fact | Command) -> str:
    """What tells the records of one order apart."""
    if isinstance(message, SendNotification):
        return f"SendNotification/{message.channel}/{message.purpose}"
    return type(message).__name__
