"""Deliveries to the outside by a pool of workers: records side by side, and each record's in their order.

Two records of one order are never in flight together: the later one waits in `retry_queue` (invariant 10).
Each channel has a circuit breaker that all workers share:
a receiver that is down is probed by one of them now and then, while the deliveries of other channels go on. A
receiver that defers one message after the other and takes none counts as down too, whatever it answers.

I/O: threads.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Lock
from typing import TypeVar

from consumers.runtime.delivery.channel import Channel
from consumers.runtime.delivery.circuit_breaker import CircuitBreaker, for_channel
from consumers.runtime.delivery.results import DeliveryResults
from consumers.runtime.plan import DeliveryTask
from consumers.runtime.records import without_frames
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

_PAUSE_AFTER_S = 0.5
"""How long something may take before the member pauses its partitions to stay in the group."""
_MAX_DEFERRED = 10
"""So many messages deferred, and none taken in between: the receiver is at fault and not the messages."""


class DeliveryPool:
    """A fixed number of workers with the channels they use.

    The deliveries of one record are made one after the other by one worker. They are in flight from `submit`
    until the caller says that it has recorded how they ended, so that none is made twice meanwhile.

    Args:
        group: the reaction's name, the first part of each effect key.
        channels: by name.
        workers: number of workers.
    """

    def __init__(self, group: str, channels: Mapping[str, Channel], workers: int) -> None:
        self._group = group
        self._channels = channels
        self._breakers: dict[str, CircuitBreaker] = {name: for_channel() for name in channels}
        self._outages: dict[str, Unreachable] = {}
        self._deferred: dict[str, set[tuple[int, str]]] = {name: set() for name in channels}
        self._lock = Lock()
        self._halt = Event()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=f"{group}-delivery")
        self._beside = ThreadPoolExecutor(1, thread_name_prefix=f"{group}-decide")
        self._in_flight: dict[Position, Future[DeliveryResults]] = {}
        self._ended: SimpleQueue[Future[DeliveryResults]] = SimpleQueue()
        self._unrecorded = DeliveryResults()

    @property
    def in_flight(self) -> Collection[Position]:
        """Records whose deliveries are under way, or have ended and are not recorded."""
        return self._in_flight.keys()

    def submit(self, tasks: Iterable[DeliveryTask], is_owned: Callable[[Position], bool]) -> None:
        """Begin deliveries of records that are not in flight.

        Args:
            tasks: all tasks of their records.
            is_owned: asked before each delivery, by any thread: whether its record's partition is owned.
        """
        by_record: dict[Position, list[DeliveryTask]] = {}
        for task in tasks:
            by_record.setdefault(task.record.position, []).append(task)
        for position, queue in by_record.items():
            future = self._pool.submit(self._deliver_in_order, position, queue, is_owned)
            self._in_flight[position] = future
            future.add_done_callback(self._ended.put)

    def ended(self, timeout_s: float = 0.0) -> DeliveryResults:
        """How deliveries ended that are not recorded yet.

        Args:
            timeout_s: longest wait for the first one.
        """
        with suppress(Empty):
            if timeout_s and not self._unrecorded.positions:
                self._take(self._ended.get(timeout=timeout_s))
            while True:
                self._take(self._ended.get_nowait())
        results = DeliveryResults()
        results.add(self._unrecorded)
        channels = (task.delivery.channel for task in results.remaining)
        results.outages = {
            channel: self._outages[channel] for channel in channels if channel in self._outages
        }
        results.retry_at = self._retry_at(results.outages)
        return results

    def recorded(self, results: DeliveryResults) -> None:
        """These results are stored: their records are in flight no more."""
        for position in results.positions:
            self._in_flight.pop(position, None)
        if results.positions:
            self._unrecorded = DeliveryResults()

    def drain(self) -> DeliveryResults:
        """Begin no delivery any more, wait for those that were begun, and say how all of them ended."""
        self._halt.set()
        futures = [*self._in_flight.values()]
        wait(futures)
        for future in futures:
            self._take(future)
        return self.ended()

    def resume(self) -> None:
        """Begin deliveries again, after `drain`."""
        self._halt.clear()

    def run_beside(self, call: Callable[[], T], meanwhile: Callable[[], None]) -> T:
        """Run something beside the calling thread.

        Args:
            call: what to run.
            meanwhile: called again and again once it takes long; it may block for a moment.
        """
        future = self._beside.submit(call)
        wait([future], _PAUSE_AFTER_S)
        try:
            while not future.done():
                meanwhile()
        finally:
            # Whatever ended the wait, nobody may begin the same work anew while it is still under way here.
            wait([future])
        return future.result()

    def is_down(self, channel: str) -> bool:
        """Whether a channel's breaker is open."""
        return not self._breakers[channel].closed

    def close(self) -> None:
        """Start nothing more, and close the channels."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._beside.shutdown(wait=False, cancel_futures=True)
        for channel in self._channels.values():
            channel.close()

    def _take(self, future: Future[DeliveryResults]) -> None:
        results = future.result()
        [position] = results.positions
        if self._in_flight.get(position) is future and position not in self._unrecorded.positions:
            self._unrecorded.add(results)

    def _deliver_in_order(
        self, position: Position, tasks: Sequence[DeliveryTask], is_owned: Callable[[Position], bool]
    ) -> DeliveryResults:
        results = DeliveryResults({position})
        for task in tasks:
            channel = task.delivery.channel
            if self._halt.is_set() or not is_owned(position) or not self._admits(channel):
                results.remaining.append(task)
                continue
            try:
                answer = self._deliver(task)
            except RecordError as error:
                self._answered(channel, results)
                results.failed.append((task, without_frames(error)))
            except Unreachable as error:
                self._failed(channel, error)
                results.remaining.append(task)
            else:
                self._answered(channel, results)
                if answer is None:
                    results.delivered.append(task.intention)
                else:
                    results.answers.append((task, answer))
        if len(results.delivered) == len(tasks):
            results.result_records = [(position, result) for result in tasks[0].results]
        return results

    def _deliver(self, task: DeliveryTask) -> str | None:
        channel = task.delivery.channel
        key = f"{self._group}/{task.order_id}/{task.effect}"
        position = task.record.position
        try:
            answer = self._channels[channel].deliver(task.delivery, key, position)
        except DeliveryDeferred as error:
            if self._defers_everything(task):
                raise DependencyUnavailable(f"{channel} takes no message: {error.what}") from error
            raise
        except (RecordError, Unreachable):
            raise
        except Exception as error:
            # A bug of ours at one message must not end the group at every restart.
            raise TransientFailure(
                f"{channel} failed with {type(error).__name__}: {error}", position
            ) from error
        self._deferred[channel].clear()
        return answer

    def _admits(self, channel: str) -> bool:
        with self._lock:
            return self._breakers[channel].admits(_clock_ms())

    def _defers_everything(self, task: DeliveryTask) -> bool:
        # A message that is deferred again and again counts once: its own attempts are bounded.
        with self._lock:
            deferred = self._deferred[task.delivery.channel]
            deferred.add((task.order_id, task.effect))
            return len(deferred) >= _MAX_DEFERRED

    def _answered(self, channel: str, results: DeliveryResults) -> None:
        results.answering.add(channel)
        with self._lock:
            self._breakers[channel].succeeded()
            self._outages.pop(channel, None)

    def _failed(self, channel: str, error: Unreachable) -> None:
        with self._lock:
            self._breakers[channel].failed(_clock_ms())
            self._outages[channel] = error

    def _retry_at(self, outages: Mapping[str, Unreachable]) -> int:
        """When the first of these channels may be probed again, ms since the epoch."""
        with self._lock:
            waits = [self._breakers[channel].wait_left_ms(_clock_ms()) for channel in outages]
        return now_ms() + min(waits, default=0)


def _clock_ms() -> int:
    return int(time.monotonic() * 1000)
