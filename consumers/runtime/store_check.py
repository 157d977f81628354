"""After its connection was lost: whether a store still knows what its whole group has committed.

A member's own writes are checked with each of them (`stores.write_mark`). But a database that comes back in
an older state may have lost those of another member alone, who stands still and does not notice; and a record
that comes by the other path would then be handled a second time.

Invariant 16.

I/O: Kafka and the store.
"""

import time
from collections.abc import Iterable, Mapping

from clients.admin import Admin, partitions_of
from clients.config import Cluster
from consumers.runtime.kafka.consumer import GroupConsumer
from consumers.runtime.records import Committed, Partition, Progress
from consumers.runtime.stores.store import Store
from schemas.errors import RevertedStore

IDLE_CHECK_S = 5.0
"""So often a member with nothing to do makes sure that its store is still there, and as it left it."""


class StoreCheck:
    """What one member makes sure of before it goes on with its store.

    Args:
        store: in doubt or not; after a check it is not.
        consumer: asks for the group's committed offsets.
        cluster: where the topics are.
        topics: all that the group reads.
    """

    def __init__(
        self, store: Store, consumer: GroupConsumer, cluster: Cluster, topics: Iterable[str]
    ) -> None:
        self._store = store
        self._consumer = consumer
        self._cluster = cluster
        self._topics = [*topics]
        self._idle_check_at = 0.0

    def check(self, *, idle: bool) -> None:
        """Where the store is in doubt, make sure that it is not behind what the group has committed.

        Args:
            idle: whether there is nothing to write, which would find out whether the store is still there.

        Raises:
            RevertedStore, ReplacedStore: it is behind, or another one is in its place.
            Unreachable: the store or the broker does not answer.
        """
        if self._store.in_doubt:
            # Kafka first: a member commits there what it has stored before.
            topics = Admin(self._cluster).topics()
            committed = self._consumer.committed(partitions_of(topics, self._topics))
            compare(self._store.progress(committed), committed, name=str(self._store.name))
            self._store.in_doubt = False
        if idle and time.monotonic() >= self._idle_check_at:
            self._store.check()
            self._idle_check_at = time.monotonic() + IDLE_CHECK_S


def compare(
    progress: Mapping[Partition, Progress], committed: Mapping[Partition, Committed | None], *, name: str
) -> None:
    """Refuse a store that is behind what its group has committed; pure.

    Raises:
        RevertedStore: naming the first partition where it is.
    """
    for (topic, number), offset in committed.items():
        position = progress[topic, number].position if (topic, number) in progress else 0
        if offset is not None and offset.offset > position:
            raise RevertedStore(
                f"the store {name} came back in an older state: the group has committed offset "
                f"{offset.offset} of {topic}:{number}, and the store knows {position}; bring the newer state "
                "back, for what is missing would be done again"
            )
