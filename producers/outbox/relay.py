"""The relay: publishes the rows of an outbox, each exactly once, in commit-safe order.

**No row is skipped.** Rows are found by their state, `published_at IS NULL`, never by a cursor over ids. A
transaction that took a low id and commits late is found when it commits, whatever was published meanwhile.

**Order within an order id** is the order of ids. Rows of one order that were accepted one after the other
have rising ids (see `outbox_tables`), so both are read in one statement, or the later one later; batches
follow one another, and the idempotent producer keeps a partition's order.

**No row is lost or doubled.** The steps of one batch:

    1. database    settle the batch before; choose rows; name the new batch and its rows     one transaction
    2. Kafka       the rows' records, and the batch's name as the metadata of an offset      one transaction
    3. database    = step 1 of the next batch

At most one batch is in doubt: the one that the database names. A new leader, or this one after any fault,
claims the transactional id first, so that nobody else can commit any more, and then asks Kafka for the name
of the last committed batch. If it is the one in doubt, its rows are settled. If not, nothing of it is in the
log, and its rows still wait. Names are random, so a restored backup of either side matches nothing: then rows
may go out twice, with the same bytes and the same `ce_id`, and consumers know them by their effect key
(design §7, point 2). The same holds where Kafka forgot the name, seven days after the last batch.

**One leader.** A lock that dies with its holder (advisory on PostgreSQL, a locked file beside SQLite); others
stand by. Should the lock not hold, the leader's name in the database and the transactional id in Kafka do.

**A refused row** (too large, unreadable) is tried in a transaction of its own before it is put aside with its
error; later rows of the same order wait behind it. Everything else that Kafka or the database does not do,
also a missing topic, is an outage: nothing is put aside, and it is tried again with backoff.

Not here: SQL (`relay_queue`) and Kafka (`relay_log`); this only decides.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from producers.outbox.batch_publisher import Batch
from producers.outbox.ports import PublisherPort, QueuePort
from producers.outbox.queue import BATCH_ROWS, Backlog, NotLeading
from schemas.errors import Fenced, TopicMissing, Unreachable
from schemas.times import now_ms

_POLL_S = 0.1
_STAND_BY_S = 0.5
_LOOK_S = 2.0
_CLEAN_S = 10.0
_BACKOFF_S = (0.2, 5.0)
_SLICE_S = 0.1
_STUCK_S = 60.0
"""Longer than any turn that ends: claiming and a batch have their own limits."""


@dataclass
class RelayStatus:
    """What the relay says about itself while it runs.

    Attributes:
        role: `starting`, `standing by` or `leading`.
        published: rows that it published, or found published after a crash.
        down: what does not answer; None while all is well.
        backlog: what is not published, looked at every two seconds.
        cleaned: rows that it deleted.
        turned_at: when it was last seen at work, of the monotonic clock; None before that.
    """

    role: str = "starting"
    published: int = 0
    down: str | None = None
    backlog: Backlog = field(default_factory=lambda: Backlog(0, None, 0))
    cleaned: int = 0
    turned_at: float | None = None

    @property
    def stuck(self) -> bool:
        """Whether something neither answers nor fails, such as a database that was stopped."""
        return self.turned_at is not None and time.monotonic() - self.turned_at > _STUCK_S

    @property
    def ready(self) -> bool:
        """Whether it does its work, or could take over at once."""
        return self.role != "starting" and self.down is None and not self.stuck


class Relay:
    """Runs until it is told to stop, or nothing waits any more. For one thread.

    Args:
        queue: the outbox.
        log: where its rows go.
        pulse: what it reports to.
        stopping: asked often.
        watch: called several times a second.
        clean_after_ms: age at which published rows are deleted.
        until_idle_s: stop once no row waited for so long; None: never.
        sleep, clock: of the process; seconds.
    """

    def __init__(
        self,
        queue: QueuePort,
        log: PublisherPort,
        pulse: RelayStatus,
        *,
        stopping: Callable[[], bool],
        watch: Callable[[], None] = lambda: None,
        clean_after_ms: int,
        until_idle_s: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._log = log
        self._pulse = pulse
        self._stopping = stopping
        self._watch = watch
        self._clean_after_ms = clean_after_ms
        self._until_idle_s = until_idle_s
        self._sleep = sleep
        self._clock = clock
        self._claimed = False
        self._done: list[int] = []
        self._suspects: set[int] = set()
        self._most = BATCH_ROWS
        self._failures = 0
        self._idle_since: float | None = None
        self._look_at = self._clean_at = clock()

    def run(self) -> None:
        """Relay. Whatever was published is settled at the end, if the database answers.

        Raises:
            NotLeading: the lock does not hold: another relay took over although we have it.
        """
        try:
            while not self._stopping() and not self._idle_enough():
                self._turn()
                self._watch()
            self._guarded(self._settle)
            self._guarded(self._look)
        finally:
            self._log.close()
            self._queue.close()
            self._watch()

    def _turn(self) -> None:
        self._pulse.turned_at = time.monotonic()
        self._guarded(self._work)

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except NotLeading:
            raise
        except Fenced as error:
            # Who took over at the broker has the lock, or will: stand by until it is gone.
            self._queue.close()
            self._down(str(error))
        except (Unreachable, TopicMissing) as error:
            self._down(str(error))
        else:
            self._failures = 0
            self._pulse.down = None

    def _down(self, why: str) -> None:
        self._claimed = False
        self._done = []
        # A batch must get through within the transaction's timeout, also to a slow or far broker.
        self._most = max(1, self._most // 4)
        self._idle_since = None
        self._pulse.down = why
        self._failures += 1
        least, most = _BACKOFF_S
        self._watch()
        self._rest(random.uniform(least, min(most, least * 2**self._failures)))

    def _work(self) -> None:
        if not self._queue.lead():
            self._stand_by()
            return
        if not self._claimed:
            self._claim()
        self._pulse.role = "leading"
        if not self._done and not self._suspects and not self._queue.waiting():
            self._pause()
            return
        self._publish_next()
        if self._clock() >= self._look_at:
            self._look()
        self._clean()

    def _claim(self) -> None:
        last = self._log.claim()
        name, rows = self._queue.in_doubt()
        if name and name == last:
            self._queue.settle(rows)
            self._pulse.published += len(rows)
        self._claimed = True

    def _publish_next(self) -> None:
        only = min(self._suspects, default=None)
        batch = self._queue.next(self._done, most=self._most, only=only)
        self._count_done()
        if batch is None:
            self._suspects.discard(only or 0)
            return
        self._idle_since = None
        refused = self._log.publish(batch)
        if not refused:
            self._done = [row.id for row in batch.rows]
            self._most = min(BATCH_ROWS, self._most * 2)
            self._suspects.difference_update(self._done)
        else:
            self._claimed = False
            self._refused(batch, refused)

    def _refused(self, batch: Batch, refused: dict[int, str]) -> None:
        if len(batch.rows) > 1:
            # The row alone must be at fault, and not the company that it was sent in. What its order has
            # before it in this batch goes before it again.
            orders = {row.order_id for row in batch.rows if row.id in refused}
            self._suspects.update(row.id for row in batch.rows if row.order_id in orders)
            return
        for row_id, why in refused.items():
            self._queue.refuse(row_id, f"Kafka does not take it: {why}")
            self._suspects.discard(row_id)
        self._look()

    def _settle(self) -> None:
        if self._done:
            self._queue.settle(self._done)
            self._count_done()

    def _count_done(self) -> None:
        self._pulse.published += len(self._done)
        self._done = []

    def _pause(self) -> None:
        if self._idle_since is None:
            self._idle_since = self._clock()
            self._look()
        elif self._clock() >= self._look_at:
            self._look()
        self._clean()
        self._rest(_POLL_S)

    def _stand_by(self) -> None:
        self._pulse.role = "standing by"
        self._look()
        waits = self._pulse.backlog.rows > self._pulse.backlog.refused
        if waits or self._idle_since is None:
            self._idle_since = None if waits else self._clock()
        self._rest(_STAND_BY_S)

    def _look(self) -> None:
        self._pulse.backlog = self._queue.backlog()
        self._look_at = self._clock() + _LOOK_S

    def _clean(self) -> None:
        if self._clock() < self._clean_at:
            return
        cleaned = self._queue.clean(now_ms() - self._clean_after_ms)
        self._pulse.cleaned += cleaned
        # A full portion says that more is due; publishing goes on in between.
        self._clean_at = self._clock() + (0.0 if cleaned else _CLEAN_S)

    def _idle_enough(self) -> bool:
        if self._until_idle_s is None or self._idle_since is None:
            return False
        return self._clock() - self._idle_since >= self._until_idle_s

    def _rest(self, seconds: float) -> None:
        # In slices, and not on an event: a signal's handler that sets the event would wait for this thread.
        until = self._clock() + seconds
        while not self._stopping() and (left := until - self._clock()) > 0:
            self._sleep(min(left, _SLICE_S))
