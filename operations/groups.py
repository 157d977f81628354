"""Consumer groups as the broker sees them: who is a member, and what was committed.

Readers that assign partitions themselves, and share groups, are invisible here (design §7, point 10).

I/O: Kafka (admin client, and a consumer per group that joins nothing).
"""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from clients.admin import Admin, Partition, moving
from clients.groups import group_members
from producers.outbox.batch_publisher import GROUP_PREFIX

_RETRY_S = 0.1
_PARALLEL_GROUPS = 8


class CommittedOffset(NamedTuple):
    """A committed offset: the next one to read, and the text that the group stored with it."""

    offset: int
    metadata: str


class Group(NamedTuple):
    """A group's live members.

    Attributes:
        members: how many.
        topics: topics of which they are assigned partitions.
    """

    members: int
    topics: frozenset[str]


EMPTY = Group(0, frozenset())


def names(admin: Admin) -> list[str]:
    """Every group that the cluster knows; raises BrokerUnreachable, OperationFailed.

    A relay's group is left out: it has no readers, its offset only names a batch
    (`producers.outbox.batch_publisher`).
    """
    listing = admin.ask(lambda: admin.client.list_consumer_groups(request_timeout=admin.timeout_s))
    return sorted(group.group_id for group in listing.valid if not group.group_id.startswith(GROUP_PREFIX))


def committed(
    admin: Admin, groups: Iterable[str], partitions: Iterable[Partition]
) -> dict[str, dict[Partition, CommittedOffset]]:
    """What each group has committed of these partitions; nothing for a group that there is not.

    Raises:
        BrokerUnreachable, OperationFailed.
    """
    group_ids, tracked = list(groups), list(partitions)
    with ThreadPoolExecutor(_PARALLEL_GROUPS) as pool:
        offsets = pool.map(lambda group: _committed(admin, group, tracked), group_ids)
        return dict(zip(group_ids, offsets, strict=True))


def members(admin: Admin, groups: Iterable[str]) -> dict[str, Group]:
    """The live members of each group; none for a group that there is not.

    Raises:
        BrokerUnreachable, OperationFailed.
    """
    described = {group: group_members(admin, group) for group in groups}
    return {
        group: Group(len(members), frozenset().union(*(member.topics for member in members)))
        for group, members in described.items()
    }


def _committed(admin: Admin, group: str, wanted: list[Partition]) -> dict[Partition, CommittedOffset]:
    # Not the admin client's list_consumer_group_offsets: it ends the whole process with a segmentation fault
    # where a coordinator is moving or loading (librdkafka #5040, seen with 2.16).
    consumer = Consumer({**admin.cluster.reader(), "group.id": group})
    try:
        offsets = _committed_with_retries(admin, consumer, wanted)
    finally:
        consumer.close()
    return {
        (offset.topic, offset.partition): CommittedOffset(offset.offset, offset.metadata or "")
        for offset in offsets
        if offset.error is None and offset.offset >= 0
    }


def _committed_with_retries(
    admin: Admin, consumer: Consumer, wanted: list[Partition]
) -> list[TopicPartition]:
    deadline = time.monotonic() + admin.timeout_s
    while True:
        try:
            return consumer.committed(
                [TopicPartition(*partition) for partition in wanted], timeout=admin.timeout_s
            )
        except KafkaException as error:
            if not moving(error) or time.monotonic() >= deadline:
                raise admin.fault(error) from error
            time.sleep(_RETRY_S)
