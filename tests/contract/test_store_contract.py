"""What every store promises, on each database it can live in.

To add a database: a kind in `tests.support.stores.postgres.STORE_KINDS` and its name in `conftest.py`. What
happens between processes is in `test_store_processes.py`, what is peculiar to one database in a file of its
own.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clients.records import ANY_PARTITION, ProducerRecord
from consumers.runtime.records import EffectRow, Intention, KnownEffect, Progress
from consumers.runtime.stores.batch_write import EffectTaken, StoreWrite
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from schemas.errors import ForeignStore, Position
from schemas.topics import DISPATCH_PRODUCTS, ORDERS
from tests.support.stores.stores import connected, opened, rows

P0, P1 = (ORDERS, 0), (ORDERS, 1)


@pytest.fixture
def store(name: StoreAddress) -> Iterator[Store]:
    with opened(name) as made:
        yield made


def effect(order_id: int, *, at: int = 0, name: str = "dispatch", outcome: str = "dispatched") -> EffectRow:
    return EffectRow(
        order_id, name, outcome, "1 Streetford Road", None, "fact", f"id-{at}", ORDERS, 0, at, 1_000
    )


def intention(order_id: int, name: str = "dispatch", *, at: int = 0) -> Intention:
    return Intention(order_id, name, Position(ORDERS, 0, at))


def result(at: int, value: bytes = b"v") -> tuple[Position, ProducerRecord]:
    return Position(ORDERS, 0, at), ProducerRecord("dispatch_results", b"k", value, [("ce_id", f"r{at}")])


def test_a_store_is_made_where_nothing_is_and_is_empty(new: StoreAddress) -> None:
    with opened(new) as store:
        assert store.find_effects([1, 2]) == {}
        assert store.find_effects([]) == {}
        assert store.progress([P0]) == {}
        assert store.results([Position(ORDERS, 0, 1)]) == []


def test_the_first_caller_names_the_store_and_later_ones_find_the_same_name(
    store: Store, name: StoreAddress
) -> None:
    first = store.identity("cluster-1", 5_000)
    with opened(name) as again:
        assert again.identity("cluster-1", 9_000) == first
    assert (first.group, first.cluster, first.created_at) == ("warehouse", "cluster-1", 5_000)
    assert len(first.id) == 32


def test_a_store_of_another_group_is_refused(name: StoreAddress) -> None:
    # One file, and one schema: names of groups may differ where names of schemas cannot.
    with opened(replace(name, group="ware-house")) as store:
        store.identity("cluster-1", 0)
    with (
        opened(replace(name, group="ware_house")) as other,
        pytest.raises(ForeignStore, match="belongs to group ware-house, not ware_house"),
    ):
        other.identity("cluster-1", 0)


def test_a_store_of_another_cluster_is_refused(store: Store) -> None:
    store.identity("cluster-1", 0)
    with pytest.raises(ForeignStore, match="belongs to cluster cluster-1, this one is cluster-2"):
        store.identity("cluster-2", 0)


def test_a_batch_is_there_as_it_was_written(store: Store) -> None:
    store.write(
        StoreWrite(
            at=7,
            effects=[effect(2, at=4), effect(1, at=3)],
            results=[result(3), result(4)],
            positions={P0: 5, P1: 9},
            results_upto={P0: 2},
        )
    )
    assert store.find_effects([1, 2, 3]) == {
        (1, "dispatch"): KnownEffect("dispatched", "1 Streetford Road", Position(ORDERS, 0, 3)),
        (2, "dispatch"): KnownEffect("dispatched", "1 Streetford Road", Position(ORDERS, 0, 4)),
    }
    assert store.progress([P0, P1]) == {P0: Progress(5, 2, started=True), P1: Progress(9, 0, started=True)}
    assert store.results([Position(ORDERS, 0, 3)]) == [result(3)]


def test_a_batch_with_a_taken_effect_leaves_nothing_at_all(store: Store) -> None:
    store.write(StoreWrite(at=1, effects=[effect(1)], positions={P0: 1}))
    with pytest.raises(EffectTaken):
        store.write(
            StoreWrite(
                at=2,
                effects=[effect(0, at=7), effect(1, at=8), effect(2, at=9)],
                shadows=[effect(3)],
                results=[result(7)],
                positions={P0: 10, P1: 10},
                finished=[intention(1)],
            )
        )
    assert store.find_effects([0, 1, 2]).keys() == {(1, "dispatch")}
    assert store.results([Position(ORDERS, 0, 7)]) == []
    assert store.progress([P0, P1]) == {P0: Progress(1, 0, started=True)}
    store.write(StoreWrite(at=3, shadows=[effect(3)]))


def test_another_members_effect_is_seen_at_once_and_guards(store: Store, name: StoreAddress) -> None:
    with opened(name) as other:
        other.write(StoreWrite(at=1, effects=[effect(1)]))
        assert (1, "dispatch") in store.find_effects([1])
        with pytest.raises(EffectTaken):
            store.write(StoreWrite(at=2, effects=[effect(1)]))


def test_two_effects_of_one_order_are_two_keys(store: Store) -> None:
    store.write(StoreWrite(at=1, effects=[effect(1, name="email"), effect(1, name="text")]))
    assert store.find_effects([1]).keys() == {(1, "email"), (1, "text")}


def test_progress_never_goes_back(store: Store) -> None:
    store.write(StoreWrite(at=1, positions={P0: 100}, results_upto={P0: 90}))
    store.write(StoreWrite(at=2, positions={P0: 50}, results_upto={P0: 40}))
    assert store.progress([P0]) == {P0: Progress(100, 90, started=True)}
    store.write(StoreWrite(at=3, positions={P0: 101}, results_upto={P0: 95}))
    assert store.progress([P0]) == {P0: Progress(101, 95, started=True)}


def test_a_first_start_is_announced_in_two_steps(store: Store) -> None:
    store.announce_start({P0: 7, P1: 0}, 1, started=False)
    assert store.progress([P0, P1]) == {P0: Progress(7, 7, started=False), P1: Progress(0, 0, started=False)}
    store.announce_start({P0: 7}, 2, started=True)
    assert store.progress([P0]) == {P0: Progress(7, 7, started=True)}


def test_a_first_start_that_died_half_way_may_begin_elsewhere(store: Store) -> None:
    store.announce_start({P0: 100}, 1, started=False)
    store.announce_start({P0: 150}, 2, started=False)
    store.announce_start({P0: 150}, 2, started=True)
    assert store.progress([P0]) == {P0: Progress(150, 150, started=True)}


def test_announcing_a_start_never_takes_back_what_was_done(store: Store) -> None:
    store.announce_start({P0: 0}, 1, started=True)
    store.write(StoreWrite(at=2, positions={P0: 100}, results_upto={P0: 90}))
    store.announce_start({P0: 0}, 3, started=False)
    assert store.progress([P0]) == {P0: Progress(100, 90, started=True)}


def test_a_partition_that_was_worked_on_has_started_though_its_announcement_was_cut_short(
    store: Store,
) -> None:
    store.announce_start({P0: 0}, 1, started=False)
    store.write(StoreWrite(at=2, positions={P0: 3}))
    assert store.progress([P0]) == {P0: Progress(3, 0, started=True)}


def test_results_stay_until_they_are_known_to_be_in_kafka(store: Store) -> None:
    store.write(StoreWrite(at=1, effects=[effect(1)], results=[result(0), result(1)], positions={P0: 2}))
    store.write(
        StoreWrite(
            at=2, effects=[effect(2, at=2)], results=[result(2)], positions={P0: 3}, results_upto={P0: 1}
        )
    )
    assert store.results([Position(ORDERS, 0, at) for at in range(3)]) == [result(0), result(1), result(2)]
    store.write(StoreWrite(at=3, positions={P0: 3}, results_upto={P0: 2}))
    assert store.results([Position(ORDERS, 0, at) for at in range(3)]) == [result(2)]


def test_results_of_another_partition_stay(store: Store) -> None:
    other = Position(DISPATCH_PRODUCTS, 0, 0), ProducerRecord("dispatch_results", b"k", b"v", [])
    store.write(StoreWrite(at=1, results=[result(0), other]))
    store.write(StoreWrite(at=2, positions={P0: 9}, results_upto={P0: 9}))
    assert store.results([result(0)[0], other[0]]) == [other]


def test_a_shadow_decision_takes_no_key_and_its_first_word_stays(store: Store) -> None:
    store.write(StoreWrite(at=1, shadows=[effect(1)]))
    assert store.find_effects([1]) == {}
    store.write(StoreWrite(at=2, shadows=[effect(1, at=9)], effects=[effect(1, at=2)]))
    assert store.find_effects([1])[1, "dispatch"].origin == Position(ORDERS, 0, 2)


def test_only_what_is_intended_is_finished_or_withdrawn(store: Store) -> None:
    rows = [effect(n, name="email", outcome="intended") for n in (1, 2)]
    store.write(StoreWrite(at=1, effects=[*rows, effect(3), effect(4)]))
    store.write(
        StoreWrite(
            at=2,
            finished=[intention(1, "email"), intention(3)],
            withdrawn=[intention(2, "email"), intention(4), intention(1, "email")],
        )
    )
    found = store.find_effects([1, 2, 3, 4])
    assert {key: known.outcome for key, known in found.items()} == {
        (1, "email"): "done",
        (3, "dispatch"): "dispatched",
        (4, "dispatch"): "dispatched",
    }


def test_an_intention_that_another_record_made_anew_is_neither_finished_nor_withdrawn(store: Store) -> None:
    store.write(StoreWrite(at=1, effects=[effect(n, at=9, name="email", outcome="intended") for n in (1, 2)]))
    store.write(StoreWrite(at=2, finished=[intention(1, "email")], withdrawn=[intention(2, "email")]))
    outcomes = {known.outcome for known in store.find_effects([1, 2]).values()}
    assert (len(store.find_effects([1, 2])), outcomes) == (2, {"intended"})


def test_results_that_are_stored_a_second_time_change_nothing_and_stand_in_nobodys_way(store: Store) -> None:
    store.write(StoreWrite(at=1, effects=[effect(1, at=1)], results=[result(1), result(3)]))
    again = [result(1, b"later"), result(2)]
    store.write(StoreWrite(at=2, effects=[effect(2, at=2)], results=again))
    positions = [Position(ORDERS, 0, at) for at in (1, 2, 3)]
    assert store.results(positions) == [result(1), result(2), result(3)]
    store.write(StoreWrite(at=3, positions={P0: 4}, results_upto={P0: 3}))
    assert store.results(positions) == [result(1), result(2), result(3)], "the last one may not be in Kafka"


def test_a_large_batch_is_one_batch(store: Store) -> None:
    ids = [n * 7_919 - 2**62 for n in range(5_000)]
    store.write(
        StoreWrite(at=1, effects=[effect(n) for n in ids], results=[result(at) for at in range(5_000)])
    )
    assert store.find_effects(ids).keys() == {(n, "dispatch") for n in ids}
    assert len(store.results([Position(ORDERS, 0, at) for at in range(5_000)])) == 5_000


def test_a_store_that_was_filled_before_this_rule_about_text_still_means_what_it_says(
    store: Store, name: StoreAddress
) -> None:
    store.write(StoreWrite(at=1, effects=[effect(1), effect(2)]))
    with connected(name) as connection:
        connection.exec_driver_sql("UPDATE effects SET input = '\x10 a \\u0041' WHERE order_id = 1")
    assert store.find_effects([1])[1, "dispatch"].input == "\x10 a \\u0041"
    assert rows(name, "SELECT input FROM effects WHERE order_id = 2") == [("1 Streetford Road",)]


@pytest.mark.parametrize(
    "odd", ["\x00", "a\x00b", "\ud800", "\udfff\ud800", "\x10", "\x10\\u0000", "\\u0000", ""]
)
def test_text_that_a_database_refuses_is_kept_all_the_same(store: Store, odd: str) -> None:
    row = effect(1)._replace(effect=odd, input=odd, detail=odd, message_id=odd, outcome="intended")
    out = ProducerRecord("dispatch_results", b"\x00", b"\x00\xff", [("ce_id", odd), (odd, odd)])
    where = Position(ORDERS, 0, 0)
    store.write(StoreWrite(at=1, effects=[row], shadows=[row], results=[(where, out)]))
    assert store.find_effects([1]) == {(1, odd): KnownEffect("intended", odd, where, odd)}
    assert store.results([where]) == [(where, out)]
    with pytest.raises(EffectTaken):
        store.write(StoreWrite(at=2, effects=[row]))
    store.write(StoreWrite(at=2, finished=[Intention(1, odd, where)]))
    assert store.find_effects([1])[1, odd].outcome == "done"


def test_two_texts_that_look_alike_to_a_database_are_two_keys(store: Store) -> None:
    odd = ["\x00", "\\u0000", "\x10\\u0000", "\x10\x10", "\x10", "a", "a ", "A", "ä", "a\u0308"]
    store.write(StoreWrite(at=1, effects=[effect(1, name=each) for each in odd]))
    assert store.find_effects([1]).keys() == {(1, each) for each in odd}


LONG = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters()) | st.text(st.sampled_from("\x00\x10\\u0\ud800\udc00\"',{}a"))


ROWS = st.builds(
    EffectRow,
    order_id=LONG,
    effect=TEXT,
    outcome=st.just("intended"),
    input=st.none() | TEXT,
    detail=st.none() | TEXT,
    via=st.just("fact"),
    message_id=TEXT,
    source_topic=st.just(ORDERS),
    source_partition=st.just(0),
    source_offset=st.integers(0, 2**63 - 2),
    at=LONG,
)
OUT = st.builds(
    ProducerRecord,
    TEXT,
    st.none() | st.binary(),
    st.none() | st.binary(),
    st.lists(st.tuples(TEXT, TEXT)),
    st.just(ANY_PARTITION),
)


@given(ROWS, OUT)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_id_text_and_bytes_come_back_as_they_went_in(
    store: Store, row: EffectRow, out: ProducerRecord
) -> None:
    where = Position(row.source_topic, row.source_partition, row.source_offset)
    key = row.order_id, row.effect
    store.write(StoreWrite(at=1, effects=[row], results=[(where, out)]))
    assert store.find_effects([row.order_id])[key] == KnownEffect("intended", row.input, where, row.detail)
    assert store.results([where]) == [(where, out)]
    # The same key and offset may be drawn again: what is withdrawn and sent leaves no trace.
    store.write(
        StoreWrite(
            at=2,
            withdrawn=[Intention(*key, where)],
            positions={P0: 0},
            results_upto={P0: 2**63 - 1},
        )
    )
    store.write(StoreWrite(at=3, positions={P0: 0}, results_upto={P0: 0}))
