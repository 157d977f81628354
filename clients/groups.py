"""The members of a consumer group, as its coordinator knows them.

Readers that assign partitions themselves, and share groups, are invisible here (design §7, point 10). A user
who may read as a group (operation READ) may ask this as well: READ implies DESCRIBE.

I/O: Kafka (admin client).
"""

from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException

from clients.admin import Admin
from schemas.errors import OperationFailed, SafetyRefusal


class GroupMember(NamedTuple):
    """One member of a group.

    Attributes:
        client_id: how its client calls itself.
        host: where it connects from, as the broker sees it.
        topics: topics of which it is assigned partitions.
    """

    client_id: str
    host: str
    topics: frozenset[str]


def group_members(admin: Admin, group: str) -> list[GroupMember]:
    """The live members of a group; none for a group that there is not.

    One that was killed is a member until its session times out.

    Raises:
        BrokerUnreachable, OperationFailed.
    """
    try:
        described = admin.ask(
            lambda: admin.client.describe_consumer_groups([group], request_timeout=admin.timeout_s)[group]
        )
    except OperationFailed as error:
        cause = error.__cause__
        if isinstance(cause, KafkaException) and cause.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return []
        raise
    return [
        GroupMember(
            member.client_id,
            member.host,
            frozenset(
                partition.topic
                for partition in (member.assignment.topic_partitions if member.assignment else ())
            ),
        )
        for member in described.members
    ]


def refuse_beside_members(admin: Admin, group: str) -> None:
    """Make sure that a group has no live member.

    Raises:
        SafetyRefusal: it has one; the message names where it runs.
        BrokerUnreachable, OperationFailed.
    """
    members = group_members(admin, group)
    if members:
        raise SafetyRefusal(
            f"{len(members)} member(s) of the group {group} live, one of them at {members[0].host}; stop "
            "them first (one that was killed leaves when its session ends, within a minute)"
        )
