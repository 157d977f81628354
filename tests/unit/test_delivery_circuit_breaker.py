"""The circuit breaker: what is down is asked by one, now and then, and believed at once when it answers."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from consumers.runtime.delivery.circuit_breaker import FAILURES, CircuitBreaker, for_channel


def opened(at: int = 0) -> CircuitBreaker:
    breaker = for_channel()
    for _ in range(FAILURES):
        assert breaker.admits(at)
        breaker.failed(at)
    assert not breaker.closed
    return breaker


def test_single_failures_between_successes_leave_it_closed() -> None:
    breaker = for_channel()
    for _ in range(5):
        for _ in range(FAILURES - 1):
            breaker.failed(0)
        assert breaker.closed
        breaker.succeeded()


def test_open_lets_nobody_through_until_its_time_and_then_exactly_one() -> None:
    breaker = opened(at=1_000)
    assert [breaker.admits(1_000 + wait) for wait in (0, 100, 249)] == [False] * 3
    assert breaker.wait_left_ms(1_000) == 250
    assert breaker.admits(1_250)
    assert [breaker.admits(1_250 + wait) for wait in (0, 1, 10_000)] == [False] * 3


def test_a_probe_that_comes_through_closes_it_for_everybody() -> None:
    breaker = opened()
    assert breaker.admits(250)
    breaker.succeeded()
    assert breaker.closed
    assert all(breaker.admits(250) for _ in range(10))


def test_a_probe_that_fails_opens_it_for_twice_as_long_up_to_a_bound() -> None:
    breaker, now, waits = opened(), 0, []
    for _ in range(10):
        waits.append(breaker.wait_left_ms(now))
        now += waits[-1]
        assert breaker.admits(now)
        breaker.failed(now)
    assert waits == [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000, 15_000]


def test_failures_that_were_under_way_when_it_opened_change_nothing() -> None:
    breaker = opened(at=0)
    breaker.failed(200)
    assert (breaker.wait_left_ms(200), breaker.opened) == (50, 1)


@given(st.integers(0, 10**9))
def test_a_success_from_before_it_opened_is_believed(now: int) -> None:
    breaker = opened(at=now)
    breaker.succeeded()
    assert breaker.admits(now)


class AnyUse(RuleBasedStateMachine):
    """Callers come and go in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = for_channel()
        self.now = 0
        self.under_way = 0
        self.while_open = 0

    @rule(by=st.integers(0, 20_000))
    def time_passes(self, by: int) -> None:
        self.now += by

    @rule()
    def somebody_asks(self) -> None:
        closed = self.breaker.closed
        if self.breaker.admits(self.now):
            self.under_way += 1
            self.while_open += not closed

    @precondition(lambda self: self.under_way)
    @rule(well=st.booleans())
    def somebody_comes_back(self, *, well: bool) -> None:
        self.under_way -= 1
        self.while_open = 0
        if well:
            self.breaker.succeeded()
        else:
            self.breaker.failed(self.now)

    @invariant()
    def at_most_one_probe_is_on_its_way(self) -> None:
        assert self.while_open <= 1

    @invariant()
    def the_wait_is_bounded(self) -> None:
        assert 0 <= self.breaker.wait_left_ms(self.now) <= 15_000


TestAnyUse = AnyUse.TestCase
