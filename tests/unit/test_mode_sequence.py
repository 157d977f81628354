"""Which record of the control topic is in force: whatever others write there, readers agree and go on."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.mode.sequence import (
    MAX_STEP,
    MAX_SUSPECTS,
    LogEntry,
    ModeState,
    UnreadableMode,
    following,
    follows_of,
)
from schemas.control import INITIAL, ModeChanged
from schemas.errors import (
    KeyMismatch,
    MalformedBody,
    NoRegistry,
    NullKey,
    Position,
    UndecodableMessage,
    UnknownFingerprint,
    UnknownSchemaId,
)
from schemas.topics import ORDER_MODE

LARGEST = 2**63 - 1
SOMEWHERE = Position(ORDER_MODE, 0, 0)
EPOCHS = st.one_of(st.integers(-2, 12), st.sampled_from([MAX_STEP, 1_700_000_000, LARGEST, -LARGEST - 1]))
NEVER = [MalformedBody("broken", SOMEWHERE), KeyMismatch("two epochs", SOMEWHERE), NullKey("none", SOMEWHERE)]
ELSEWHERE = [
    NoRegistry("framed", SOMEWHERE),
    UnknownSchemaId("id 7", SOMEWHERE),
    UnknownFingerprint("newer", SOMEWHERE),
]


class Record(NamedTuple):
    """A record as two readers see it: one with a registry, and one without."""

    epoch: int | None
    follows: int | None
    with_registry: ModeChanged | UndecodableMessage
    without: ModeChanged | UndecodableMessage


def change(epoch: int, mode: str = "event") -> ModeChanged:
    return ModeChanged(epoch, mode, 1, "me@here")


def same(epoch: int | None, message: ModeChanged | UndecodableMessage) -> Record:
    return Record(epoch, None, message, message)


def view(records: list[Record], *, registry: bool, start: int = 0) -> ModeState:
    state = ModeState()
    for offset, record in enumerate(records, start):
        message = record.with_registry if registry else record.without
        state = following(
            state, LogEntry(Position(ORDER_MODE, 0, offset), record.epoch, record.follows, message)
        )
    return state


def alike(records: list[Record], start: int = 0) -> ModeState:
    return view(records, registry=True, start=start)


FOREIGN = st.one_of(
    st.builds(lambda epoch, error: Record(epoch, None, error, error), EPOCHS, st.sampled_from(NEVER)),
    st.builds(lambda epoch, error: Record(epoch, None, error, ELSEWHERE[0]), EPOCHS, st.sampled_from(NEVER)),
    st.builds(lambda epoch, error: Record(epoch, None, error, error), EPOCHS, st.sampled_from(ELSEWHERE)),
    EPOCHS.map(lambda epoch: same(epoch, change(epoch, "shadow"))),
    st.sampled_from(NEVER).map(lambda error: same(None, error)),
)
STEPS = st.lists(st.one_of(FOREIGN, st.sampled_from(["command", "event"]), st.just("framed")), max_size=25)
"""Records of others, and ours: of a mode, or framed by a registry."""


def log_of(steps: list[Record | str]) -> list[Record]:
    records: list[Record] = []
    for step in steps:
        if isinstance(step, Record):
            records.append(step)
            continue
        state = view(records, registry=True)
        ours = change(state.last + 1, "event" if step == "framed" else step)
        theirs = ELSEWHERE[0] if step == "framed" else ours
        records.append(Record(ours.epoch, state.last, ours, theirs))
    return records


@given(STEPS, st.integers(0, 1))
def test_after_any_records_of_others_the_next_change_is_in_force_for_every_reader(
    steps: list[Record | str], start: int
) -> None:
    records = log_of(steps)
    repair = change(view(records, registry=False, start=start).last + 1, "command")
    records.append(same(repair.epoch, repair))
    for registry in (True, False):
        state = view(records, registry=registry, start=start)
        assert state.in_force == repair
        assert (state.suspects, state.suspects_left_out) == ((), 0)


@given(STEPS)
def test_a_reader_who_cannot_read_what_others_can_agrees_with_them_or_places_nothing(
    steps: list[Record | str],
) -> None:
    records = log_of(steps)
    one, other = (view(records, registry=registry) for registry in (True, False))
    assert one.last == other.last
    if one.unreadable is None and other.unreadable is None:
        assert one.in_force == other.in_force


@given(STEPS, FOREIGN)
def test_a_record_of_others_never_changes_the_mode_in_silence(
    steps: list[Record | str], record: Record
) -> None:
    before = alike(log_of(steps))
    after = alike([*log_of(steps), record])
    if record.epoch != before.last + 1:
        assert (after.change, after.unreadable) == (before.change, before.unreadable)
        assert len(after.suspects) == len(before.suspects) + 1
    elif not isinstance(record.with_registry, ModeChanged):
        assert after.change == before.change
        assert after.suspects[-1].position.offset == len(steps)


@pytest.mark.parametrize("error", ELSEWHERE)
def test_a_next_change_that_cannot_be_read_here_stops_placing_and_says_the_ways_out(
    error: UndecodableMessage,
) -> None:
    state = alike([same(1, change(1)), same(2, error)])
    with pytest.raises(UnreadableMode, match=r"change to epoch 2: .*`cev mode set MODE --repair`") as refused:
        _ = state.in_force
    assert error.what in str(refused.value)
    assert ("--schema-registry-url" in str(refused.value)) is isinstance(error, NoRegistry)
    assert refused.value.exit_code == 4


@pytest.mark.parametrize("error", ELSEWHERE)
@pytest.mark.parametrize("key", [None, 1, 3, 7, LARGEST])
def test_an_unreadable_record_under_another_key_is_nobodys_change(
    error: UndecodableMessage, key: int | None
) -> None:
    assert alike([same(1, change(1)), same(key, error)]).in_force == change(1)


@pytest.mark.parametrize("epoch", [1, 3, 1_700_000_000_000, LARGEST])
def test_an_epoch_out_of_sequence_is_passed_over_and_leaves_room_for_the_next(epoch: int) -> None:
    state = alike([same(1, change(1)), same(epoch, change(epoch, "shadow"))])
    assert state.in_force == change(1)
    assert f"epoch {epoch} (shadow) does not follow epoch 1" in state.suspects[0].reason
    assert state.last == 1


def test_a_change_that_names_the_last_epoch_may_leave_numbers_out() -> None:
    assert alike([same(1, change(1)), Record(8, 1, change(8), change(8))]).in_force == change(8)
    assert alike([same(1, change(1)), Record(8, 2, change(8), change(8))]).in_force == change(1)
    far = change(1 + MAX_STEP + 1)
    assert alike([same(1, change(1)), Record(far.epoch, 1, far, far)]).in_force == change(1)


def test_a_topic_whose_beginning_was_removed_begins_with_any_number() -> None:
    assert alike([same(87, change(87)), same(88, change(88))], start=170).in_force == change(88)
    assert alike([same(87, change(87))], start=0).in_force == INITIAL


def test_of_many_suspect_records_some_are_kept_and_all_are_counted() -> None:
    state = alike([same(None, NEVER[0])] * (MAX_SUSPECTS + 5))
    assert (len(state.suspects), state.suspects_left_out) == (MAX_SUSPECTS, 5)


@pytest.mark.parametrize(
    ("value", "epoch"), [(b"7", 7), ("7", 7), (b"", None), (b"-1", None), (b"\xff", None), (None, None)]
)
def test_the_header_says_which_epoch_a_change_follows(value: bytes | str | None, epoch: int | None) -> None:
    assert follows_of([("follows-epoch", value)]) == epoch
    assert follows_of(None) is None


@pytest.mark.parametrize(
    ("order_epoch", "lost"), [(0, 0), (3, 0), (4, 4), (MAX_STEP + 3, MAX_STEP + 3), (MAX_STEP + 4, 0)]
)
def test_an_order_of_a_later_epoch_than_the_topic_knows_tells_that_it_was_made_anew(
    order_epoch: int, lost: int
) -> None:
    assert ModeState(change(3), last=3).lost_epoch(order_epoch) == lost
