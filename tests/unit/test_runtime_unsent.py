"""Results and dead letters that wait for the commit of their record's offset."""

from clients.records import ProducerRecord
from consumers.runtime.unsent import UnsentRecords
from schemas.errors import Position

P0, P1 = ("orders", 0), ("orders", 1)


def result(name: str) -> ProducerRecord:
    return ProducerRecord("dispatch_results", name.encode(), None, [])


def keys(records: list[tuple[Position, ProducerRecord]]) -> list[bytes | None]:
    return [record.key for _, record in records]


def unsent() -> UnsentRecords:
    records = UnsentRecords()
    records.add([(Position(*P0, 3), result("a")), (Position(*P0, 3), result("b"))])
    records.add([(Position(*P0, 9), result("c")), (Position(*P1, 1), result("d"))])
    return records


def test_what_lies_below_the_offset_to_commit_goes_out_with_it() -> None:
    assert keys(unsent().below({P0: 9}, {})) == [b"a", b"b"]
    assert keys(unsent().below({P0: 10, P1: 2}, {})) == [b"a", b"b", b"c", b"d"]
    assert keys(unsent().below({("orders", 7): 99}, {})) == []


def test_what_kafka_has_is_not_sent() -> None:
    assert keys(unsent().below({P0: 10}, {P0: 9})) == [b"c"]


def test_it_is_kept_until_the_commit_and_not_longer() -> None:
    records = unsent()
    records.drop_below({P0: 9})
    assert keys(records.below({P0: 99, P1: 99}, {})) == [b"c", b"d"]
    assert (records.has(Position(*P0, 3)), records.has(Position(*P0, 9))) == (False, True)


def test_it_goes_with_its_partition() -> None:
    records = unsent()
    records.forget({P0: 0})
    assert keys(records.below({P0: 99, P1: 99}, {})) == [b"d"]
