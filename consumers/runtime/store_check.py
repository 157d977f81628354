"""After its connection was lost: whether a store still knows what its whole group has committed.

A member's own writes are checked with each of them (`stores.write_mark`). But a database that comes back in
an older state may have lost those of another member alone, who stands still and does not notice; and a record
that comes by the other path would then be handled a second time.

Invariant 16.

I/O: Kafka and the store.
"""

from collections.abc import Iterable, Mapping

from clients.admin import Admin, partitions_of
from clients.config import Cluster
from consumers.runtime.kafka.consumer import GroupConsumer
from consumers.runtime.records import Committed, Partition, Progress
from consumers.runtime.stores.store import Store
from schemas.errors import RevertedStore


def check_store(store: Store, consumer: GroupConsumer, cluster: Cluster, topics: Iterable[str]) -> None:
    """Make sure, where the store is in doubt, that it is not behind any offset that the group has committed.

    Args:
        store: in doubt or not; afterwards it is not.
        consumer: asks for the group's committed offsets.
        cluster: where the topics are.
        topics: all that the group reads.

    Raises:
        RevertedStore: naming the first partition where it is.
        Unreachable: the store or the broker does not answer.
    """
    if not store.in_doubt:
        return
    # Kafka first: a member commits there what it has stored before.
    committed = consumer.committed(partitions_of(Admin(cluster).topics(), topics))
    compare(store.progress(committed), committed, name=str(store.name))
    store.in_doubt = False


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
