"""Several reactions in one process: a thread each, so that the end of one does not touch the others.

I/O: threads.
"""

import time
from collections.abc import Callable, Sequence
from threading import Event, Thread

from clients.log import Log
from consumers.runtime.garbage import collected_between_turns
from consumers.runtime.member import Member
from consumers.runtime.status import MemberStatus

POLL_INTERVAL_S = 0.1


class Runner:
    """Runs members until they are told to stop, or have nothing more to do.

    Args:
        members: each with the status that it reports to.
        stopping: the event that every member watches.
    """

    def __init__(self, members: Sequence[tuple[Member, MemberStatus]], stopping: Event) -> None:
        self._members = members
        self._stopping = stopping
        self._threads = [
            Thread(target=_run, args=(member, status), name=status.group, daemon=True)
            for member, status in members
        ]

    def run(self, *, until_idle_s: float | None, drain_s: float, watch: Callable[[], None]) -> bool:
        """Run to the end.

        Args:
            until_idle_s: stop once every group is at the end of its topics and no record came for so many
                seconds; None runs until `stopping` is set.
            drain_s: seconds to finish what is in flight once `stopping` is set.
            watch: called several times a second.

        Returns:
            Whether every member ended within the drain deadline.
        """
        with collected_between_turns():
            return self._run(until_idle_s, drain_s, watch)

    def _run(self, until_idle_s: float | None, drain_s: float, watch: Callable[[], None]) -> bool:
        for thread in self._threads:
            thread.start()
        while not self._stopping.is_set() and any(thread.is_alive() for thread in self._threads):
            watch()
            if until_idle_s is not None and self._idle(until_idle_s):
                self._stopping.set()
            # Not `stopping.wait`: a signal handler that sets the event while this very thread holds the
            # event's lock would wait for itself.
            time.sleep(POLL_INTERVAL_S)
        self._stopping.set()
        deadline = time.monotonic() + drain_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        watch()
        return not any(thread.is_alive() for thread in self._threads)

    def failures(self) -> list[BaseException]:
        """Why members had to stop, in the order of the reactions."""
        return [status.failure for _, status in self._members if status.failure is not None]

    def _idle(self, seconds: float) -> bool:
        running = [(member, status) for member, status in self._members if status.failure is None]
        # Kafka is asked only where the members themselves see nothing more to do: it costs a connection.
        return all(status.idle(for_s=seconds) for _, status in running) and all(
            member.caught_up() for member, _ in running
        )


def _run(member: Member, status: MemberStatus) -> None:
    try:
        member.run()
    except BaseException as error:  # noqa: BLE001 - kept and reported: one broken group must not end the others
        status.failure = error
        Log().error("stopped", group=status.group, why=str(error) or repr(error))
