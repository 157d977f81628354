"""When a runner ends: asked of members that do what the test says."""

from threading import Event
from typing import TYPE_CHECKING, cast

from consumers.runtime.runner import Runner
from consumers.runtime.status import MemberStatus

if TYPE_CHECKING:
    from consumers.runtime.member import Member


class Idle:
    """A member that has read all it owns, in a group that comes to its end after some questions."""

    def __init__(self, status: MemberStatus, stopping: Event, answers: list[bool]) -> None:
        self._pulse = status
        self._stopping = stopping
        self._answers = answers
        self.asked = 0

    def run(self) -> None:
        self._pulse.polled(joined=True, owned=0, records=0, at_end=True)
        self._stopping.wait(20)

    def caught_up(self) -> bool:
        self.asked += 1
        return self._answers.pop(0)


def test_it_goes_on_while_the_group_is_not_at_its_end_although_this_member_is() -> None:
    status, stopping = MemberStatus("sales"), Event()
    member = Idle(status, stopping, [False, False, True])
    runner = Runner([(cast("Member", member), status)], stopping)
    assert runner.run(until_idle_s=0, drain_s=5, watch=lambda: None)
    assert member.asked == 3


def test_without_until_idle_nobody_asks_and_it_runs_until_it_is_told() -> None:
    status, stopping = MemberStatus("sales"), Event()
    member = Idle(status, stopping, [])
    turns = iter(range(3))

    def watch() -> None:
        if next(turns, None) is None:
            stopping.set()

    runner = Runner([(cast("Member", member), status)], stopping)
    assert runner.run(until_idle_s=None, drain_s=5, watch=watch)
    assert member.asked == 0
