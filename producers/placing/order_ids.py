"""Generated order ids: 63 bits, sortable by time, made without a server.

    bit 63        0: never negative
    bits 62-32    seconds since 2026-01-01T00:00:00Z (31 bits: until 2094-01-19)
    bits 31-0     counted up by one for each id, from a random start in each process

An id whose eight bytes spell text (`schemas.keys`) is passed over; the first are those of 2043.

**Within a process** ids are always unique and rising: each is at least its predecessor plus one. When the
counter passes 2**32 - 1, the carry goes into the seconds, so a wrap within a second uses ids of the next one.
A clock that was set back is ignored until it has caught up. A forked child starts at a random place again.

**Across processes** equal ids are improbable, not impossible. Two processes that make n and m ids within the
same second share one with a probability of (n + m - 1) / 2**32: at 1,000 a second each, 1 in 2.1 million for
that second. k processes that make one id each in the same second (a shell loop of `cev order place`):
k * (k - 1) / 2**33, for k = 100 that is 1 in 870,000. Two orders that did share an id would not be
dispatched twice: the second is a conflict and dead-lettered or, with the same address, a known duplicate.
If these odds are too high, give every order an id (`--order-id`).
"""

import os
import threading
import time
from collections.abc import Callable

from schemas import keys

EPOCH_S = 1_767_225_600
"""2026-01-01T00:00:00Z in seconds since 1970."""

_COUNTER_BITS = 32
_COUNTER_MASK = 2**_COUNTER_BITS - 1


class OrderIds:
    """A generator of ids; thread-safe. A process must have only one: `new_order_id` uses it.

    Args:
        clock: seconds since 1970.
        start: where the counter starts; at random if not given.
    """

    def __init__(self, clock: Callable[[], float] = time.time, start: int | None = None) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # The last id has only the counter's bits yet; its seconds are 0.
        start = int.from_bytes(os.urandom(_COUNTER_BITS // 8)) if start is None else start
        self._last = start & _COUNTER_MASK

    def next(self) -> int:
        """The next id: 0 <= id < 2**63 before 2094, greater than every one before it."""
        with self._lock:
            seconds = max(int(self._clock()) - EPOCH_S, 0)
            following = self._last + 1
            order_id: int = max(seconds << _COUNTER_BITS | following & _COUNTER_MASK, following)
            while keys.text_of(order_id) is not None:
                order_id += 1
            self._last = order_id
            return order_id


class _ProcessOrderIds:
    """The process's one generator; a forked child gets another one, because both would make the same ids."""

    def __init__(self) -> None:
        self.ids = OrderIds()
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self.ids = OrderIds()


_process = _ProcessOrderIds()


def new_order_id() -> int:
    """A new id, 63 bits, sortable by time; the module's docstring says how unique it is."""
    return _process.ids.next()
