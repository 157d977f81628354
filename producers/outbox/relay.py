"""The relay: publishes the rows of an outbox, each exactly once, in commit-safe order. It only decides.

**No row is skipped.** Rows are found by their state, `published_at IS NULL`, never by a cursor over ids. A
transaction that took a low id and commits late is found when it commits, whatever was published meanwhile.

**Order within an order id** is the order of row ids. Rows of one order that were accepted one after the other
have rising ids (see `tables`), so one statement reads both, or a later one reads the later row. Batches do
not overlap, and the idempotent producer keeps a partition's order.

**No row is lost or doubled.** The steps of one batch:

    1. database    mark the last batch as published; name the next batch and its rows        one transaction
    2. Kafka       the rows' records, and the batch's name as the metadata of an offset      one transaction
    3. database    = step 1 of the next batch

At most one batch is in doubt: the one that the database names. A new leader, or this one after any fault,
claims the transactional id first, so that nobody else can commit any more, and then asks Kafka for the name
of the last committed batch. If it is the one in doubt, its rows are marked as published. If not, nothing of
it is in the log, and its rows still wait. Names are random, so a restored backup of either side matches
nothing: then rows may be published twice, with the same bytes and the same `ce_id`, and consumers recognise
them by their effect key (design §7, point 2). The same holds if Kafka forgot the name, seven days after the
last batch.

**One leader.** The leader has a lock that ends with its process (advisory in PostgreSQL, a locked file beside
SQLite); other relays stand by. If the lock fails to exclude them, the leader's name in the database and the
transactional id in Kafka do.

**A refused row** (too large, unreadable) is tried in a transaction of its own before it is put aside with its
error; later rows of the same order wait behind it. Every other failure of Kafka or the database, such as a
missing topic, is an outage: no row is put aside, and the relay tries again with backoff.

Not here: SQL (`queue`) and Kafka (`batch_publisher`).
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from producers.outbox.batch_publisher import Batch
from producers.outbox.ports import RelayPublisher, RelayQueue
from producers.outbox.queue import BATCH_ROWS, Backlog, NotLeading
from schemas.errors import Fenced, TopicMissing, Unreachable
from schemas.times import now_ms

_POLL_S = 0.1
_STAND_BY_S = 0.5
_BACKLOG_S = 2.0
_CLEAN_S = 10.0
_BACKOFF_S = (0.2, 5.0)
_SLICE_S = 0.1
_STUCK_S = 60.0
"""Longer than any pass of the loop that ends: claiming and a batch have limits of their own."""


@dataclass
class RelayStatus:
    """What the relay reports while it runs.

    Attributes:
        role: `starting`, `standing by` or `leading`.
        published: rows that it published, or found published after a crash.
        outage: what does not answer; None while everything answers.
        backlog: the rows that are not published, read every two seconds.
        cleaned: rows that it deleted.
        last_turn_at: when its loop last began a pass, in seconds of the monotonic clock; None before that.
    """

    role: str = "starting"
    published: int = 0
    outage: str | None = None
    backlog: Backlog = field(default_factory=lambda: Backlog(0, None, 0))
    cleaned: int = 0
    last_turn_at: float | None = None

    @property
    def stuck(self) -> bool:
        """Whether a call neither returns nor fails, such as one to a database that was stopped."""
        return self.last_turn_at is not None and time.monotonic() - self.last_turn_at > _STUCK_S

    @property
    def ready(self) -> bool:
        """Whether it publishes, or could take over at once."""
        return self.role != "starting" and self.outage is None and not self.stuck


class Relay:
    """Publishes rows until it shall stop or no row waits any more. For one thread.

    Args:
        queue: the outbox's rows.
        publisher: writes them to Kafka.
        status: kept up to date while it runs.
        stopping: whether it shall stop; called several times a second.
        watch: called several times a second, after a change of the status.
        clean_after_ms: age in milliseconds at which published rows are deleted.
        until_idle_s: stop once no row waited for so many seconds; None: never.
        sleep, clock: waits for seconds, and tells seconds that never go back.
    """

    def __init__(
        self,
        queue: RelayQueue,
        publisher: RelayPublisher,
        status: RelayStatus,
        *,
        stopping: Callable[[], bool],
        watch: Callable[[], None] = lambda: None,
        clean_after_ms: int,
        until_idle_s: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._publisher = publisher
        self._status = status
        self._stopping = stopping
        self._watch = watch
        self._clean_after_ms = clean_after_ms
        self._until_idle_s = until_idle_s
        self._sleep = sleep
        self._clock = clock
        self._claimed = False
        self._published: list[int] = []
        self._suspects: set[int] = set()
        self._batch_limit = BATCH_ROWS
        self._failures = 0
        self._idle_since: float | None = None
        self._backlog_due = self._cleaning_due = clock()

    def run(self) -> None:
        """Publish rows; at the end mark those that are published, if the database answers.

        Raises:
            NotLeading: another relay took over although this one has the lock.
        """
        try:
            while not self._stopping() and not self._is_idle():
                self._run_once()
                self._watch()
            self._attempt(self._mark_published)
            self._attempt(self._read_backlog)
        finally:
            self._publisher.close()
            self._queue.close()
            self._watch()

    def _run_once(self) -> None:
        self._status.last_turn_at = time.monotonic()
        self._attempt(self._publish_or_wait)

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except NotLeading:
            raise
        except Fenced as error:
            # The relay that took over at the broker has the lock, or is about to: stand by while it runs.
            self._queue.close()
            self._back_off(str(error))
        except (Unreachable, TopicMissing) as error:
            self._back_off(str(error))
        else:
            self._failures = 0
            self._status.outage = None

    def _back_off(self, reason: str) -> None:
        self._claimed = False
        self._published = []
        # A batch must be written within the transaction's timeout, also to a slow or distant broker.
        self._batch_limit = max(1, self._batch_limit // 4)
        self._idle_since = None
        self._status.outage = reason
        self._failures += 1
        shortest, longest = _BACKOFF_S
        self._watch()
        self._wait(random.uniform(shortest, min(longest, shortest * 2**self._failures)))

    def _publish_or_wait(self) -> None:
        if not self._queue.acquire_leadership():
            self._stand_by()
            return
        if not self._claimed:
            self._claim()
        self._status.role = "leading"
        if not self._published and not self._suspects and not self._queue.waiting():
            self._wait_for_rows()
            return
        self._publish_next()
        if self._clock() >= self._backlog_due:
            self._read_backlog()
        self._clean_published()

    def _claim(self) -> None:
        last = self._publisher.claim()
        name, rows = self._queue.in_doubt()
        if name and name == last:
            self._queue.mark_published(rows)
            self._status.published += len(rows)
        self._claimed = True

    def _publish_next(self) -> None:
        only = min(self._suspects, default=None)
        batch = self._queue.next(self._published, limit=self._batch_limit, only=only)
        self._count_published()
        if batch is None:
            self._suspects.difference_update({only})
            return
        self._idle_since = None
        refusals = self._publisher.publish(batch)
        if not refusals:
            self._published = [row.id for row in batch.rows]
            self._batch_limit = min(BATCH_ROWS, self._batch_limit * 2)
            self._suspects.difference_update(self._published)
        else:
            self._claimed = False
            self._handle_refusals(batch, refusals)

    def _handle_refusals(self, batch: Batch, refusals: dict[int, str]) -> None:
        if len(batch.rows) > 1:
            # Try the refused row alone, because the batch may be at fault and not the row. Rows of its order
            # that precede it in this batch are tried before it.
            orders = {row.order_id for row in batch.rows if row.id in refusals}
            self._suspects.update(row.id for row in batch.rows if row.order_id in orders)
            return
        for row_id, reason in refusals.items():
            self._queue.quarantine(row_id, f"Kafka does not take it: {reason}")
            self._suspects.discard(row_id)
        self._read_backlog()

    def _mark_published(self) -> None:
        if self._published:
            self._queue.mark_published(self._published)
            self._count_published()

    def _count_published(self) -> None:
        self._status.published += len(self._published)
        self._published = []

    def _wait_for_rows(self) -> None:
        if self._idle_since is None:
            self._idle_since = self._clock()
            self._read_backlog()
        elif self._clock() >= self._backlog_due:
            self._read_backlog()
        self._clean_published()
        self._wait(_POLL_S)

    def _stand_by(self) -> None:
        self._status.role = "standing by"
        self._read_backlog()
        waits = self._status.backlog.rows > self._status.backlog.refused
        if waits or self._idle_since is None:
            self._idle_since = None if waits else self._clock()
        self._wait(_STAND_BY_S)

    def _read_backlog(self) -> None:
        self._status.backlog = self._queue.backlog()
        self._backlog_due = self._clock() + _BACKLOG_S

    def _clean_published(self) -> None:
        if self._clock() < self._cleaning_due:
            return
        cleaned = self._queue.clean(now_ms() - self._clean_after_ms)
        self._status.cleaned += cleaned
        # More rows may be due; publishing continues in between.
        self._cleaning_due = self._clock() + (0.0 if cleaned else _CLEAN_S)

    def _is_idle(self) -> bool:
        if self._until_idle_s is None or self._idle_since is None:
            return False
        return self._clock() - self._idle_since >= self._until_idle_s

    def _wait(self, seconds: float) -> None:
        # In slices, and not on an event: a signal handler that sets the event would wait for this thread.
        until = self._clock() + seconds
        while not self._stopping() and (left := until - self._clock()) > 0:
            self._sleep(min(left, _SLICE_S))
