"""Result records: a fact that answers a message, as bytes and headers; pure.

The message id is the effect key, so the same result sent again has the same `ce_id`.
"""

from dataclasses import dataclass

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

    def render(self, fact: Fact, message: Decoded) -> ProducerRecord:
        """The record of a fact that answers a message.

        Args:
            fact: what the reaction returned.
            message: what it answers, decoded.

        Raises:
            BrokenReaction: no topic in the reaction's `writes` carries such facts.
            RegistryUnreachable: the registry did not answer; nothing was decided.
        """
        fact_type = type(fact)
        topic = next((name for name in self.reaction.writes if fact_type in BY_NAME[name].records), None)
        if topic is None:
            name = f"{self.reaction.name} returned a {fact_type.__name__}"
            raise BrokenReaction(f"{name}, which no topic in its `writes` carries")
        envelope = Envelope(
            message_id=f"{self.reaction.name}/{message.order_id}/{fact_type.__name__}",
            correlation_id=message.envelope.correlation_id,
            causation_id=message.envelope.message_id,
            traceparent=child_traceparent(message.envelope.traceparent),
            tracestate=message.envelope.tracestate,
        )
        headers = to_headers(envelope, record=fact_type.__name__, source=self.reaction.name, at=self.at)
        return ProducerRecord(topic, encode_key(message.order_id), self.codec.encode(topic, fact), [*headers])
