"""What happens to a record that fails: attempts and waits are bounded, whatever the dice say."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime import retry_policy
from consumers.runtime.retry_policy import (
    MAX_RETRY_AFTER_MS,
    OUTAGE_BACKOFF,
    GiveUp,
    Retry,
    RetryPolicy,
    unknown_schema,
)
from schemas import errors
from schemas.errors import (
    DeliveryDeferred,
    NoRegistry,
    Position,
    ReactionFailed,
    RecordError,
    TransientFailure,
    TruncatedBody,
    UnknownFingerprint,
    UnknownSchemaId,
)

HERE = Position("orders", 0, 7)
NOW = 1_800_000_000_000

policies = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 12),
    initial_backoff_ms=st.integers(0, 100_000),
    max_backoff_ms=st.integers(0, 100_000),
    jitter=st.floats(0, 1).map(lambda drawn: lambda: drawn),
)
record_errors = st.sampled_from(
    [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, RecordError)]
)
transient_failures = st.sampled_from([TransientFailure, ReactionFailed, DeliveryDeferred, UnknownSchemaId])


def waits_of(policy: RetryPolicy, error: RecordError) -> tuple[list[int], int]:
    """Every wait of a record that fails until it is given up, and how often it was tried."""
    waits: list[int] = []
    tried = 0
    while True:
        step = policy.next_step(error, tried, NOW)
        if isinstance(step, GiveUp):
            return waits, step.attempts
        waits.append(step.at - NOW)
        tried = step.attempts


@given(policies, transient_failures)
def test_a_transient_failure_is_tried_so_often_and_no_longer_than_the_bound(
    policy: RetryPolicy, kind: type[RecordError]
) -> None:
    waits, attempts = waits_of(policy, kind("it broke", HERE))
    assert attempts == policy.attempts
    assert len(waits) == attempts - 1
    assert sum(waits) <= policy.total_ms
    for number, wait in enumerate(waits):
        assert 0 <= wait <= min(policy.max_backoff_ms, policy.initial_backoff_ms * 2**number)


@given(policies, record_errors, st.integers(0, 20))
def test_poison_is_given_up_at_once_and_nothing_is_tried_more_often_than_allowed(
    policy: RetryPolicy, kind: type[RecordError], before: int
) -> None:
    step = policy.next_step(kind("it broke", HERE), before, NOW)
    if isinstance(step, Retry):
        assert issubclass(kind, TransientFailure | UnknownSchemaId)
        assert not issubclass(kind, NoRegistry)
        assert step.attempts == before + 1
        assert step.attempts < policy.attempts
        assert step.at >= NOW
    else:
        assert step == GiveUp(before + 1)


@given(policies, st.integers(0, 10_000))
def test_no_wait_is_longer_than_the_bound_however_often_it_failed(policy: RetryPolicy, before: int) -> None:
    assert 0 <= policy.wait_ms(before) <= policy.max_backoff_ms


@given(st.integers(0, 10_000))
def test_waits_for_an_outage_grow_to_a_quarter_of_a_minute(before: int) -> None:
    assert OUTAGE_BACKOFF.wait_ms(before) == min(15_000, 250 * 2**before)


def test_the_bound_of_the_docstring_is_the_bound_of_the_defaults() -> None:
    assert RetryPolicy().total_ms == 15_000
    assert "at most\n1 + 2 + 4 + 8 = 15 seconds" in (retry_policy.__doc__ or "")


def test_jitter_is_full() -> None:
    drawn = iter([0.0, 0.5, 1.0])
    policy = RetryPolicy(jitter=lambda: next(drawn))
    assert [policy.wait_ms(3) for _ in range(3)] == [0, 4_000, 8_000]


@pytest.mark.parametrize(
    ("kind", "recovers"),
    [
        (UnknownSchemaId, True),
        (NoRegistry, False),
        (UnknownFingerprint, False),
        (TruncatedBody, False),
        (DeliveryDeferred, True),
        (ReactionFailed, True),
    ],
)
def test_what_may_work_the_next_time(kind: type[RecordError], recovers: bool) -> None:  # noqa: FBT001 - a column of the table
    assert kind("x", HERE).retriable is recovers


def test_an_unknown_schema_has_the_same_words_wherever_it_lies() -> None:
    first, second = (UnknownSchemaId("no schema 7", HERE._replace(offset=n)) for n in (1, 2))
    assert unknown_schema(first) == unknown_schema(second) == "no schema 7"
    assert unknown_schema(TruncatedBody("x", HERE)) is None


@given(policies, st.integers(0, 20), st.integers(0, 10**9))
def test_a_receiver_that_says_when_to_come_again_is_left_alone_so_long_and_never_for_hours(
    policy: RetryPolicy, failures: int, asked_for: int
) -> None:
    step = policy.next_step(DeliveryDeferred("later", HERE, retry_after_ms=asked_for), failures, NOW)
    if isinstance(step, Retry):
        wait = step.at - NOW
        assert wait == max(policy.wait_ms(failures), min(asked_for, MAX_RETRY_AFTER_MS))
