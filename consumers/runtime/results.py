"""Result records: a fact that answers a message, as bytes and headers.

Pure. The message id is made of the effect key, so the same result sent again has the same `ce_id`.
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
        reaction: who answers; its `writes` decides the topic.
        codec: encodes the values.
        at: the batch's time as RFC 3339 text, set once a batch.
    """

    reaction: Reaction
    codec: Codec
    at: str = ""

    def render(self, fact: Fact, item: Decoded) -> ProducerRecord:
        """The record of a fact that answers a message.

        Raises:
            BrokenReaction: the reaction does not say that it writes such facts.
            RegistryUnreachable: the registry did not answer; nothing was decided.
        """
        kind = type(fact)
        topic = next((name for name in self.reaction.writes if kind in BY_NAME[name].records), None)
        if topic is None:
            raise BrokenReaction(
                f"{self.reaction.name} returned a {kind.__name__}, which no topic in its `writes` carries"
            )
        envelope = Envelope(
            message_id=f"{self.reaction.name}/{item.order_id}/{kind.__name__}",
            correlation_id=item.envelope.correlation_id,
            causation_id=item.envelope.message_id,
            traceparent=child_traceparent(item.envelope.traceparent),
        )
        headers = to_headers(envelope, record=kind.__name__, source=self.reaction.name, at=self.at)
        return ProducerRecord(topic, encode_key(item.order_id), self.codec.encode(topic, fact), [*headers])
