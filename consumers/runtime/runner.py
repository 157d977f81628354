"""Several reactions in one process: a thread each, none of which another one's end can touch.

I/O: threads.
"""

import time
from collections.abc import Callable, Sequence
from threading import Event, Thread

import structlog

from consumers.runtime.member import Member
from consumers.runtime.status import MemberStatus

_LOOK_S = 0.1


class Runner:
    """Runs members until they are told to stop, or have nothing more to do.

    Args:
        members: each with the pulse that it reports to.
        stopping: the event that every member watches.
    """

    def __init__(self, members: Sequence[tuple[Member, MemberStatus]], stopping: Event) -> None:
        self._members = members
        self._pulses = [pulse for _, pulse in members]
        self._stopping = stopping
        self._threads = [Thread(target=_run, args=each, name=each[1].group, daemon=True) for each in members]

    def run(self, *, until_idle_s: float | None, drain_s: float, watch: Callable[[], None]) -> bool:
        """Run to the end.

        Args:
            until_idle_s: stop once every group is at the end of its topics and nothing came for so long.
            drain_s: time to finish what is in flight once `stopping` is set.
            watch: called several times a second.

        Returns:
            Whether every member ended within the drain deadline.
        """
        for thread in self._threads:
            thread.start()
        while not self._stopping.is_set() and any(thread.is_alive() for thread in self._threads):
            watch()
            if until_idle_s is not None and self._idle(until_idle_s):
                self._stopping.set()
            # Not `stopping.wait`: a signal handler that sets the event while this very thread holds the
            # event's lock would wait for itself.
            time.sleep(_LOOK_S)
        self._stopping.set()
        deadline = time.monotonic() + drain_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        watch()
        return not any(thread.is_alive() for thread in self._threads)

    def failures(self) -> list[BaseException]:
        """Why members had to stop, in the order of the reactions."""
        return [pulse.failure for pulse in self._pulses if pulse.failure is not None]

    def _idle(self, seconds: float) -> bool:
        working = [(member, pulse) for member, pulse in self._members if pulse.failure is None]
        # The dearer question is asked only where the members themselves see nothing more to do.
        return all(pulse.idle(for_s=seconds) for _, pulse in working) and all(
            member.caught_up() for member, _ in working
        )


def _run(member: Member, pulse: MemberStatus) -> None:
    try:
        member.run()
    except BaseException as error:  # noqa: BLE001 - kept and reported: one broken group must not end the others
        pulse.failure = error
        structlog.get_logger().error("stopped", group=pulse.group, why=str(error) or repr(error))
