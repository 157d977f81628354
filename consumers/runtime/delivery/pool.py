"""Deliveries to the outside, side by side and in order per order.

Each order id belongs to one lane; a lane works through its errands one after the other, so two deliveries
of one order never overtake each other. Each channel has a circuit breaker that all lanes share: a receiver
that is down is asked by one of them now and then, while the errands of other channels go on. A receiver that
puts off one message after the other and takes none is down too, whatever it says.

I/O: threads.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Protocol, TypeVar

from consumers.runtime.delivery.circuit_breaker import CircuitBreaker, for_channel
from consumers.runtime.reaction import Delivery
from consumers.runtime.records import DeliveryTask
from schemas.errors import (
    DeliveryDeferred,
    DependencyUnavailable,
    Position,
    RecordError,
    TransientFailure,
    Unreachable,
)
from schemas.times import now_ms

T = TypeVar("T")

_PATIENCE_S = 0.5
"""How long something may take before the member pauses its partitions to stay in the group."""


_PUT_OFF = 10
"""So many messages put off, and none taken in between: it is not the messages."""


class Channel(Protocol):
    """A way to the outside world."""

    @property
    def describe(self) -> str:
        """What a person reads in the start line, e.g. `smtp mail.example:25`."""

    def deliver(self, delivery: Delivery, key: str, where: Position) -> None:
        """Hand a message over, at least once; the same key is the same message.

        Raises:
            DeliveryRejected: it will never be taken.
            DeliveryDeferred: the receiver answers, and wants this message later.
            Unreachable: nobody can deliver anything now.
        """

    def close(self) -> None:
        """Give up what is open; nothing is delivered after it."""


@dataclass(slots=True)
class DeliveryResults:
    """How the errands of a batch ended.

    Attributes:
        done: order id and effect of what was handed over.
        failed: what was not, and why: the message, not the receiver, is at fault.
        left: what is still to do, because its channel is down or its partition is not ours any more.
        outages: channels that are down, and why.
        worked: channels that took something.
        again_at: ms; before it no channel that is down is asked again.
    """

    done: list[tuple[int, str]] = field(default_factory=list)
    failed: list[tuple[DeliveryTask, RecordError]] = field(default_factory=list)
    left: list[DeliveryTask] = field(default_factory=list)
    outages: dict[str, Unreachable] = field(default_factory=dict)
    worked: set[str] = field(default_factory=set)
    again_at: int = 0


class DeliveryPool:
    """A fixed number of lanes with the channels they use.

    Args:
        group: the reaction's name, the first part of each effect key.
        channels: by name.
        workers: number of lanes.
    """

    def __init__(self, group: str, channels: Mapping[str, Channel], workers: int) -> None:
        self._group = group
        self._channels = channels
        self._workers = workers
        self._breakers: dict[str, CircuitBreaker] = {name: for_channel() for name in channels}
        self._outages: dict[str, Unreachable] = {}
        self._put_off: dict[str, set[tuple[int, str]]] = {name: set() for name in channels}
        self._lock = Lock()
        self._halt = Event()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=f"{group}-lane")

    def run(
        self,
        errands: Sequence[DeliveryTask],
        meanwhile: Callable[[], None],
        ours: Callable[[Position], bool] = lambda _: True,
    ) -> DeliveryResults:
        """Carry out errands.

        Args:
            errands: in the order of their records.
            meanwhile: called again and again while lanes are at work; it may block for a moment.
            ours: asked before each errand: whether its record is still ours to handle.
        """
        lanes: dict[int, list[DeliveryTask]] = {}
        for errand in errands:
            lanes.setdefault(errand.order_id % self._workers, []).append(errand)
        self._halt.clear()
        total = DeliveryResults()
        for report in self._finish(
            [self._pool.submit(self._lane, each, ours) for each in lanes.values()], meanwhile
        ):
            total.done += report.done
            total.failed += report.failed
            total.left += report.left
            total.worked |= report.worked
        total.outages = {
            each.delivery.channel: self._outages[each.delivery.channel]
            for each in total.left
            if each.delivery.channel in self._outages
        }
        total.again_at = self._again_at(total.outages)
        return total

    def beside(self, call: Callable[[], T], meanwhile: Callable[[], None]) -> T:
        """Run something beside the calling thread, which goes on polling if it takes long."""
        return self._finish([self._pool.submit(call)], meanwhile)[0]

    def down(self, channel: str) -> bool:
        """Whether a channel's breaker is open."""
        return not self._breakers[channel].closed

    def close(self) -> None:
        """Start nothing more, and close the channels."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for channel in self._channels.values():
            channel.close()

    def _finish(self, running: Sequence[Future[T]], meanwhile: Callable[[], None]) -> list[T]:
        wait(running, _PATIENCE_S)
        try:
            while not all(each.done() for each in running):
                meanwhile()
        finally:
            # Whatever ended the wait, nobody may begin the same work anew while it is still under way here.
            self._halt.set()
            wait(running)
        return [each.result() for each in running]

    def _lane(self, errands: Sequence[DeliveryTask], ours: Callable[[Position], bool]) -> DeliveryResults:
        report = DeliveryResults()
        for errand in errands:
            name = errand.delivery.channel
            here = errand.record
            if self._halt.is_set() or not ours(here.position) or not self._admitted(name):
                report.left.append(errand)
                continue
            try:
                self._deliver(errand)
            except RecordError as error:
                self._answered(name, report)
                report.failed.append((errand, error))
            except Unreachable as error:
                self._failed(name, error)
                report.left.append(errand)
            else:
                self._answered(name, report)
                report.done.append((errand.order_id, errand.effect))
        return report

    def _deliver(self, errand: DeliveryTask) -> None:
        key = f"{self._group}/{errand.order_id}/{errand.effect}"
        where = errand.record.position
        try:
            self._channels[errand.delivery.channel].deliver(errand.delivery, key, where)
        except DeliveryDeferred as error:
            if self._puts_off_everything(errand):
                raise DependencyUnavailable(
                    f"{errand.delivery.channel} takes no message: {error.what}"
                ) from error
            raise
        except (RecordError, Unreachable):
            raise
        except Exception as error:
            # A fault of ours at one message must not end the group at every restart.
            raise TransientFailure(
                f"{errand.delivery.channel} failed with {type(error).__name__}: {error}", where
            ) from error
        self._put_off[errand.delivery.channel].clear()

    def _admitted(self, channel: str) -> bool:
        with self._lock:
            return self._breakers[channel].admits(_clock_ms())

    def _puts_off_everything(self, errand: DeliveryTask) -> bool:
        # One message that is put off again and again counts once: its own attempts are bounded.
        with self._lock:
            put_off = self._put_off[errand.delivery.channel]
            put_off.add((errand.order_id, errand.effect))
            return len(put_off) >= _PUT_OFF

    def _answered(self, channel: str, report: DeliveryResults) -> None:
        report.worked.add(channel)
        with self._lock:
            self._breakers[channel].succeeded()
            self._outages.pop(channel, None)

    def _failed(self, channel: str, error: Unreachable) -> None:
        with self._lock:
            self._breakers[channel].failed(_clock_ms())
            self._outages[channel] = error

    def _again_at(self, outages: Mapping[str, Unreachable]) -> int:
        """When the first of these channels may be asked again, ms since the epoch."""
        with self._lock:
            waits = [self._breakers[each].due(_clock_ms()) for each in outages]
        return now_ms() + min(waits, default=0)


def _clock_ms() -> int:
    return int(time.monotonic() * 1000)
