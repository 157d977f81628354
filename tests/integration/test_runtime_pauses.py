"""Pauses on a real broker: a client keeps them across a rebalance; a partition that comes back is read."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import get_args

import pytest

from clients.config import GroupProtocol
from consumers.runtime.kafka.consumer import GroupConsumer
from consumers.runtime.records import Partition
from schemas.topics import BY_NAME, ORDERS
from tests.support.consumers.harness import ConsumerHarness
from tests.support.kafka.log import until

PARTITIONS = BY_NAME[ORDERS].partitions


def _poll_paused(consumer: GroupConsumer) -> None:
    consumer.poll_paused(0)


def _pause_each(consumer: GroupConsumer) -> None:
    for topic, number in consumer.owned:
        consumer.pause_until((topic, number), consumer.watermarks((topic, number))[0], seconds=600)


def _first_offsets(consumer: GroupConsumer, partitions: list[Partition]) -> dict[Partition, int]:
    return {each: consumer.watermarks(each)[0] for each in partitions}


@pytest.fixture
def members(shop: ConsumerHarness, protocol: GroupProtocol) -> Iterator[Callable[[], GroupConsumer]]:
    cluster = replace(shop.cluster, group_protocol=protocol)
    with ExitStack() as left:

        def member() -> GroupConsumer:
            consumer = GroupConsumer(cluster, "sales", {ORDERS: ORDERS}, _first_offsets, "store-1")
            left.enter_context(closing(consumer))
            consumer.subscribe()
            return consumer

        yield member


@pytest.mark.parametrize("protocol", get_args(GroupProtocol))
@pytest.mark.parametrize("pause", [_poll_paused, _pause_each])
def test_a_partition_that_went_while_it_was_paused_is_read_when_it_comes_back(
    shop: ConsumerHarness, members: Callable[[], GroupConsumer], pause: Callable[[GroupConsumer], None]
) -> None:
    mine = members()
    until(lambda: mine.poll(1, 0.05).at_end and len(mine.owned) == PARTITIONS, "everything is mine")
    pause(mine)
    other = members()

    def shared() -> bool:
        mine.poll_paused(0.05)
        other.poll(1, 0.05)
        return len(mine.owned) == len(other.owned) == PARTITIONS // 2

    until(shared, "half of it goes")
    went = set(other.owned)
    mine.poll(1, 0.05)  # whatever ends, ends without them
    other.close()
    for number in range(PARTITIONS):
        shop.raw(ORDERS, b"key", b"value", partition=number)
    shop.flush()
    seen = set[Partition]()

    def read() -> bool:
        seen.update(each.position[:2] for each in mine.poll(100, 0.05).records)
        return seen >= went

    until(read, "it is mine again, and read")
