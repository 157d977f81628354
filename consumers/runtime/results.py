"""Result records: a fact that answers a message, as bytes and headers; pure.

The message id is the effect key, so the same result sent again has the same `ce_id`.
"""

from dataclasses import dataclass, field

from clients.records import ProducerRecord
from consumers.runtime.reaction import BrokenReaction, Reaction
from consumers.runtime.records import Decoded
from schemas.codec import Codec
from schemas.envelope import Envelope, child_traceparent, to_headers
from schemas.facts import Fact
from schemas.framing import encode_key
from schemas.topics import BY_NAME


@dataclass(slots=True)
class ResultRenderer:
    """Renders the facts that one reaction returns.

    Attributes:
        reaction: the reaction; its `writes` decides the topic.
        codec: encodes the values.
        at: the batch's time as RFC 3339 text, set once per batch.
    """

    reaction: Reaction
    codec: Codec
    at: str = ""
    _topics: dict[type[Fact], str] = field(default_factory=dict)

    def render(self, fact: Fact, message: Decoded) -> ProducerRecord:
        """The record of a fact that answers a message.

        Args:
            fact: what the reaction returned.
            message: what it answers, decoded.

        Raises:
            BrokenReaction: no topic in the reaction's `writes` carries such facts.
            RegistryUnreachable: the registry did not answer; nothing was decided.
        """
        fact_type, group, received = type(fact), self.reaction.name, message.envelope
        topic = self._topics.get(fact_type) or self._topic_of(fact_type)
        traceparent = child_traceparent(received.traceparent)
        envelope = Envelope(
            message_id=f"{group}/{message.order_id}/{fact_type.__name__}",
            correlation_id=received.correlation_id,
            causation_id=received.message_id,
            traceparent=traceparent,
            tracestate=None if traceparent is None else received.tracestate,
        )
        headers = to_headers(envelope, record=fact_type.__name__, source=group, at=self.at)
        return ProducerRecord(topic, encode_key(message.order_id), self.codec.encode(topic, fact), [*headers])

    def _topic_of(self, fact_type: type[Fact]) -> str:
        for topic in self.reaction.writes:
            if fact_type in BY_NAME[topic].records:
                self._topics[fact_type] = topic
                return topic
        raise BrokenReaction(
            f"{self.reaction.name} returned a {fact_type.__name__}, which no topic in its `writes` carries"
        )
