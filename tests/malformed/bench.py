"""One group's way of a record without a broker: codec, envelope, reaction, decision, delivery.

I/O: none but what the channels do that it is given.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from consumers.registry import named
from consumers.runtime.decide import decide
from consumers.runtime.delivery.channel import Channel
from consumers.runtime.records import ConsumerRecord, Decoded, KnownEffect
from schemas.codec import Codec
from schemas.envelope import by_name, from_headers
from schemas.errors import Position, RecordError
from tests.malformed.case import NOTHING, SHADOW, Case, dead
from tests.support.consumers.records import NOW, context, header, policy

if TYPE_CHECKING:
    from clients.records import ProducerRecord

GROUPS = ("warehouse", "notification", "sales", "loyalty")


class Bench:
    """A group whose store is a dictionary.

    Args:
        group: whose reaction.
        codec: what it reads with.
        channels: where mails and texts go; what names another is not delivered.

    Attributes:
        dead: what it put aside, with the error.
        results: what it answered.
    """

    def __init__(self, group: str, codec: Codec, channels: Mapping[str, Channel]) -> None:
        self._reads = named(group).reads
        self._codec = codec
        self._channels = channels
        self._policy = policy(group)
        self._known: dict[tuple[int, str], KnownEffect] = {}
        self.dead: list[tuple[ConsumerRecord, RecordError]] = []
        self.results: list[ProducerRecord] = []

    def reads(self, topic: str) -> bool:
        return topic in self._reads

    def end(self, case: Case, value: bytes | None, where: Position) -> str:
        """Handle one record; how it ended."""
        record = ConsumerRecord(where, case.topic, NOW, case.key, value, case.headers)
        try:
            ends = list(self._ends(record))
        except RecordError as error:
            self.dead.append((record, error))
            return dead(type(error))
        return ", ".join(ends) or NOTHING

    def _ends(self, record: ConsumerRecord) -> Iterator[str]:
        where = record.position
        message = self._codec.decode(record.source, record.key, record.value, where, by_name(record.headers))
        envelope = from_headers(record.headers, order_id=message[0], position=where)
        item = Decoded(record, message[0], message, envelope)
        plan = decide([item], self._known, {}, context(), self._policy)
        assert not plan.failed_attempts, plan.failed_attempts
        for each in plan.dead:
            raise each.error
        for errand in plan.deliveries:
            if channel := self._channels.get(errand.delivery.channel):
                key = f"{self._policy.reaction.name}/{errand.order_id}/{errand.effect}"
                channel.deliver(errand.delivery, key, where)
        for row in plan.effects:
            self._known[row.order_id, row.effect] = KnownEffect(row.outcome, row.input, where)
            outcome = "done" if row.outcome == "intended" else row.outcome
            yield f"{outcome}: {row.detail}" if outcome == "rejected" else outcome
        for out in (out for _, out in plan.results):
            assert len(header(out, "ce_id")) == 1
            self.results.append(out)
        if plan.shadows:
            yield SHADOW
