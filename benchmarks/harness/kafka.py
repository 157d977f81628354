"""A cluster to measure on: an embedded broker that ends with the measurement, or a user's that is empty.

I/O: an embedded broker in a temporary directory, Kafka.
"""

import tempfile
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]  # re-exported unmarked

from broker import embedded
from clients.admin import Admin, Partition
from clients.config import Cluster
from clients.log_reader import scan
from consumers.registry import all_topics
from schemas.topics import PARTITIONS

_DEADLINE_S = 60.0
_RETRY_S = 0.2


@contextmanager
def cluster_of(bootstrap: str | None) -> Iterator[Cluster]:
    """A cluster with our topics, all of them empty.

    Args:
        bootstrap: of a cluster without our topics, which are made and removed again; None starts a broker.

    Raises:
        SystemExit: one of our topics is there already: somebody uses that cluster.
    """
    if bootstrap is None:
        with tempfile.TemporaryDirectory(prefix="cev-bench-") as folder:
            data_dir = Path(folder) / "data"
            try:
                cluster = Cluster(bootstrap=embedded.up(data_dir, port=0).bootstrap)
                make_topics(cluster)
                yield cluster
            finally:
                embedded.down(data_dir, delete_data=True)
        return
    cluster = Cluster(bootstrap=bootstrap)
    ours = {topic.name for topic in all_topics()}
    if used := sorted(ours & Admin(cluster).topics().keys()):
        raise SystemExit(f"benchmarks need a cluster without our topics, {bootstrap} has {', '.join(used)}")
    make_topics(cluster)
    try:
        yield cluster
    finally:
        _remove_topics(cluster, sorted(ours))


def make_topics(cluster: Cluster) -> None:
    """Make every topic of the catalogue."""
    admin = Admin(cluster)
    wanted = [NewTopic(topic.name, topic.partitions, 1, config=topic.config) for topic in all_topics()]
    for future in admin.client.create_topics(wanted).values():
        admin.answer(future)


def forget_group(cluster: Cluster, group: str) -> None:
    """Remove what a group has committed, so that it begins at the beginning with a new store.

    Raises:
        SystemExit: the group still has members after a minute.
    """
    admin, deadline = Admin(cluster), time.monotonic() + _DEADLINE_S
    while True:
        try:
            for future in admin.client.delete_consumer_groups([group]).values():
                future.result()
        except KafkaException as error:
            if error.args[0].name() == "GROUP_ID_NOT_FOUND":
                return
            if time.monotonic() > deadline:
                raise SystemExit(f"the group {group} cannot be removed: {error.args[0].str()}") from error
            time.sleep(_RETRY_S)
        else:
            return


def ends(cluster: Cluster, *topics: str) -> dict[Partition, int]:
    """Where the partitions of these topics end, for readers of what is committed."""
    partitions = [(topic, number) for topic in topics for number in range(PARTITIONS)]
    return {partition: marks.stable for partition, marks in Admin(cluster).watermarks(partitions).items()}


def order_ids_since(cluster: Cluster, starts: Mapping[Partition, int]) -> list[bytes]:
    """The keys of all committed records from these offsets on."""
    marks = Admin(cluster).watermarks(starts)
    return [record.key or b"" for record in scan(cluster, marks, starts=starts)]


def completed(keys: Sequence[Hashable]) -> int:
    """How many orders these keys are of, less one for each that comes again."""
    distinct = len(set(keys))
    return distinct - (len(keys) - distinct)


def _remove_topics(cluster: Cluster, names: list[str]) -> None:
    admin = Admin(cluster)
    for future in admin.client.delete_topics(names).values():
        admin.answer(future)
    deadline = time.monotonic() + _DEADLINE_S
    while set(names) & admin.topics().keys() and time.monotonic() < deadline:
        time.sleep(_RETRY_S)
