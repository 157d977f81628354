"""What a member remembers of failures in its partitions, so that the store need not be asked at every batch.

Attempts are written by the partition's owner alone, and read again when a partition changes hands; a member
that lost one without knowing can at most try a record once more. Orders behind dead letters are not
remembered: other partitions, hence other members, may hold them, so who parks asks each time.

I/O: through the store that it is given.
"""

from collections.abc import Iterable, Mapping, Sequence

from consumers.runtime.dead_letters import decides
from consumers.runtime.decoding import decoded
from consumers.runtime.failures.alarms import Alarms
from consumers.runtime.failures.ordering import NOTHING, OrderState
from consumers.runtime.failures.unknown_schemas import UnknownSchemaDetector
from consumers.runtime.records import Attempts, FailedAttempt, Item, Parked, Partition
from consumers.runtime.stores.store import Store
from schemas.codec import Codec
from schemas.errors import Position  # noqa: TC001 - beside its neighbours, which are needed at run time
from schemas.times import now_ms
from schemas.topics import BY_NAME


class FailureTracker:
    """One member's memory of failures.

    Args:
        store: the group's store.
        codec: reads what was parked.
        parks: whether the reaction parks.
        longest_wait_ms: no attempt that is known from before waits longer, for it may be of another machine,
            whose clock is ahead.

    Attributes:
        alarms: the group's alarms.
        rollouts: runs of records with unknown schemas.
    """

    def __init__(self, store: Store, codec: Codec, *, parks: bool, longest_wait_ms: int) -> None:
        self._store = store.setbacks
        self._codec = codec
        self._parks = parks
        self._longest_wait_ms = longest_wait_ms
        self._tries: dict[Position, Attempts] = {}
        self.alarms = Alarms(store.setbacks)
        self.rollouts = UnknownSchemaDetector()

    def begin(self, partitions: list[Partition]) -> None:
        """Learn what the store knows of newly assigned partitions.

        Raises:
            DependencyUnavailable: it does not answer.
        """
        new = set(partitions)
        self._tries = {where: tried for where, tried in self._tries.items() if where[:2] not in new}
        latest = now_ms() + self._longest_wait_ms
        known = self._store.tries(new)
        self._tries |= {where: tried._replace(at=min(tried.at, latest)) for where, tried in known.items()}
        self.alarms.load()
        self.rollouts.forget(partitions)
        self.rollouts.stood(self.alarms.standing(partitions))

    def standing(self, items: Sequence[Item], topics: Iterable[str]) -> OrderState:
        """What stands in the way of these items, which lay on these topics.

        Raises:
            Unreachable: the store, or the registry that a parked record needs, does not answer.
        """
        # Whoever does not park any more may still have to release.
        if not self._parks and all(topic in BY_NAME for topic in topics):
            return OrderState(tries=self._tries) if self._tries else NOTHING
        held = self._store.held(item.order_id for item in items if item.order_id is not None)
        releasing = {
            item.order_id
            for item in items
            if item.order_id in held and decides(item.record, held[item.order_id])
        }
        parked = {order_id: self._waiting(order_id) for order_id in held if order_id in releasing}
        return OrderState(tries=self._tries, held=held, parked=parked)

    def _waiting(self, order_id: int) -> list[Parked]:
        records = self._store.parked(order_id)
        return [
            Parked(record, item) for record, item in zip(records, decoded(self._codec, records), strict=True)
        ]

    def noted(self, setbacks: Sequence[FailedAttempt]) -> None:
        """These were stored."""
        self._tries |= {each.position: each.tried for each in setbacks}

    def passed(self, sent_upto: Mapping[Partition, int]) -> dict[Partition, int]:
        """Where attempts need not be remembered any more: behind what Kafka is known to have."""
        if not self._tries:
            return {}
        over = {where[:2] for where in self._tries if where.offset < sent_upto.get(where[:2], 0)}
        return {each: sent_upto[each] for each in over}

    def forget(self, passed: Mapping[Partition, int]) -> None:
        """These were removed from the store."""
        if passed:
            self._tries = {
                where: tried
                for where, tried in self._tries.items()
                if where.offset >= passed.get(where[:2], 0)
            }
