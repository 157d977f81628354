"""Decisions by dead letter, in a temporary database."""

from operations.dead_letters.decision_index import decision_index
from schemas.decisions import Decision
from schemas.errors import Position

LETTER = Position("warehouse.orders.dlq", 3, 41)
FIRST = Decision("redriven", "ada@here", None, 50, "f00")


def test_of_two_decisions_the_first_counts_and_the_older_moment() -> None:
    with decision_index() as index:
        assert (LETTER in index, index.get(LETTER)) == (False, None)
        index.add(LETTER, FIRST)
        index.add(LETTER, Decision("discarded", "ben@here", "why", 40, "f01"))
        assert (LETTER in index, index.get(LETTER)) == (True, FIRST)
        assert not index.decided_before(LETTER, 40)
        assert index.decided_before(LETTER, 41)


def test_a_letter_is_known_by_topic_partition_and_offset() -> None:
    with decision_index() as index:
        index.add(LETTER, FIRST)
        for other in (
            LETTER._replace(topic="sales.orders.dlq"),
            LETTER._replace(partition=4),
            LETTER._replace(offset=42),
        ):
            assert other not in index
            assert not index.decided_before(other, 99)
