"""Whether a group's committed offsets and its store belong together, before anything is reconciled."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from clients.admin import TopicState, Watermarks
from clients.config import Cluster
from databases.address import StoreAddress
from operations.groups import CommittedOffset
from operations.verify import reading
from operations.verify.evidence import READS, STEPS, Partition, retry_topics
from operations.verify.reading import _check_store
from schemas.errors import OperationFailed
from schemas.topics import DISPATCH_RESULTS

ADDRESS = StoreAddress.at("warehouse", data_dir=Path("/data"))


def test_a_group_that_another_program_committed_needs_no_store_of_ours() -> None:
    _check_store("warehouse", None, {("dispatch_products", 0): CommittedOffset(4, "")}, ADDRESS)


def test_a_group_that_committed_with_a_store_of_ours_needs_that_store() -> None:
    ours = {("dispatch_products", 0): CommittedOffset(4, "46eb50bd")}
    with pytest.raises(OperationFailed, match="there is no store"):
        _check_store("warehouse", None, ours, ADDRESS)


class RisingEnds:
    """A cluster of one partition per topic, whose ends are one higher each time they are asked for."""

    cluster = Cluster(bootstrap="127.0.0.1:1")

    def __init__(self, highest: int) -> None:
        self.highest = highest
        self.asked = 0

    def topics(self) -> dict[str, TopicState]:
        names = (*STEPS, DISPATCH_RESULTS, *retry_topics(READS))
        return {name: TopicState(1, 1, ()) for name in names}

    def watermarks(self, partitions: Iterable[Partition]) -> dict[Partition, Watermarks]:
        self.asked += 1
        end = min(self.asked, self.highest)
        return {partition: Watermarks(0, end, end) for partition in partitions}


def waited(monkeypatch: pytest.MonkeyPatch, ends: RisingEnds, committed: int) -> bool:
    def everywhere(_admin: Any, names: Iterable[str], partitions: Iterable[Partition]) -> Any:
        offsets = {partition: CommittedOffset(committed, "") for partition in partitions}
        return dict.fromkeys(names, offsets)

    monkeypatch.setattr(reading, "Admin", lambda _cluster: ends)
    monkeypatch.setattr("operations.groups.committed", everywhere)
    return reading.wait(ends.cluster, READS, 0, lambda _text: None)


def test_what_the_groups_wrote_meanwhile_is_waited_for_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not waited(monkeypatch, RisingEnds(highest=2), committed=1)
    assert waited(monkeypatch, RisingEnds(highest=2), committed=2)


def test_orders_that_are_placed_all_the_time_are_not_waited_for_without_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ends = RisingEnds(highest=1_000)
    assert waited(monkeypatch, ends, committed=1_000)
    assert ends.asked < 10
