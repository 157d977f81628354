"""A batch: what it takes on, what it leaves alone, and what it forgets. Touches nothing."""

from consumers.runtime.batch import Batch
from consumers.runtime.failures.unknown_schemas import PausePoint
from consumers.runtime.kafka.polled import PolledRecords
from consumers.runtime.records import FailedRecord, Item, Partition
from schemas.errors import Position, UnknownSchemaId
from tests.support.consumers.records import record

P0, P1 = ("orders", 0), ("orders", 1)


def poll(*offsets: tuple[Partition, int], generation: int = 0) -> PolledRecords:
    records = [record(Position(*partition, offset)) for partition, offset in offsets]
    return PolledRecords(records, [], metadata=f"m{generation}", generation=generation)


def items(polled: PolledRecords) -> list[Item]:
    return [FailedRecord(record, 1, UnknownSchemaId("id 9", record.position)) for record in polled.records]


def unsettled(batch: Batch) -> list[tuple[int, int]]:
    return [item.record.position[1:] for item in batch.unsettled]


def test_what_is_not_decoded_is_not_committed() -> None:
    first = poll((P0, 3), (P1, 7))
    batch = Batch.of(first)
    assert batch.next_offsets == {}
    batch.add_decoded(items(first), {})
    assert (batch.next_offsets, unsettled(batch), batch.undecoded) == ({P0: 4, P1: 8}, [(0, 3), (1, 7)], None)


def test_what_is_polled_later_comes_last_under_the_later_metadata_and_is_not_stored_yet() -> None:
    first, second, third = poll((P0, 3)), poll((P0, 4), generation=1), poll((P1, 7), generation=2)
    batch = Batch.of(first)
    batch.add_decoded(items(first), {})
    batch.stored = True
    batch.add(second)
    batch.add(third)
    assert not batch.stored
    assert (batch.polled.metadata, batch.polled.generation) == ("m2", 2)
    assert batch.undecoded is not None
    batch.add_decoded(items(batch.undecoded), {})
    assert (batch.next_offsets, unsettled(batch)) == ({P0: 5, P1: 8}, [(0, 3), (0, 4), (1, 7)])
    assert batch.polled.first_offsets() == {P0: 3, P1: 7}, "what a dropped batch is read again from"


def test_a_paused_partition_is_committed_up_to_its_pause() -> None:
    first, second = poll((P0, 3)), poll((P0, 4), (P0, 5), (P1, 7), (P1, 8))
    batch = Batch.of(first)
    batch.add_decoded(items(first), {})
    batch.add(second)
    batch.add_decoded(items(second), {P0: PausePoint(4, "id 9"), P1: PausePoint(8, "id 9")})
    assert (batch.next_offsets, unsettled(batch)) == ({P0: 4, P1: 8}, [(0, 3), (1, 7)])


def test_a_partition_that_is_paused_at_its_first_record_is_not_committed_at_all() -> None:
    first = poll((P0, 3), (P1, 7))
    batch = Batch.of(first)
    batch.add_decoded(items(first), {P0: PausePoint(3, "id 9")})
    assert (batch.next_offsets, unsettled(batch)) == ({P1: 8}, [(1, 7)])


def test_what_was_revoked_is_forgotten_also_where_it_is_not_decoded() -> None:
    first, second = poll((P0, 3), (P1, 7)), poll((P0, 4), (P1, 8))
    batch = Batch.of(first)
    batch.add_decoded(items(first), {})
    batch.add(second)
    batch.keep_only({P1})
    assert batch.undecoded is not None
    assert [record.position for record in batch.undecoded.records] == [Position(*P1, 8)]
    assert (batch.next_offsets, unsettled(batch), len(batch.polled)) == ({P1: 8}, [(1, 7)], 2)
