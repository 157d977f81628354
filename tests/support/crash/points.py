"""The catalogue of places between two steps, and what may befall a process there.

Pure: it names steps of `tests/support/crash/probes.py`, and writes the code with which a process is armed.

`python -m tests.support.crash.points` prints the catalogue.
"""

import signal
from typing import NamedTuple

from tests.support.crash import actions
from tests.support.crash.code import code_of

DEATH = -signal.SIGKILL
"""Exit code of a process that was killed."""
ABANDONED = code_of(actions.kill_while_migrating)
"""Code that kills a process once it has started the one that migrates its store."""


class Point(NamedTuple):
    """One place between two steps.

    Attributes:
        name: what a person calls it; the test's id.
        step: the step of `tests/support/crash/probes.py`.
        nth: the how-manieth time it is reached.
        again: whether the process that recovers is killed there once more.
    """

    name: str
    step: str
    nth: int = 1
    again: bool = False

    @property
    def in_store(self) -> bool:
        """Whether it is a step of the store: only there can one database differ from another."""
        return "store." in self.step

    def arm(self, nth: int | None = None) -> None:
        """Kill this process there."""
        actions.kill_at(self.step, nth or self.nth)

    def lost(self) -> str:
        """Code that lets the answer of the store's commit be lost there."""
        return code_of(actions.lose_answer_at, self.step, self.nth)

    def migration_killed(self) -> str:
        """Code that kills the process there which migrates the store."""
        return code_of(actions.kill_migration_at, self.step, self.nth)

    def killed(self) -> str:
        """Code that kills the process there."""
        return code_of(actions.kill_at, self.step, self.nth)

    def hung(self) -> str:
        """Code that lets the thread that gets there stay for ever."""
        return code_of(actions.hang_at, self.step, self.nth)

    def stopped(self, *, rejoins: bool = False) -> str:
        """Code that stops the process there (SIGSTOP), once.

        Continued, it goes on from there; with `rejoins` it polls before, until it has partitions again.
        """
        return code_of(actions.stop_at, self.step, self.nth, rejoins)


def _first_start() -> list[Point]:
    return [
        Point("the store's identity is written, not committed", "store.commit(insert store):before"),
        Point("the store has an identity", "store.commit(insert store):after"),
        Point("before the transactional id is taken", "producer.init_transactions:before"),
        Point("the transactional id is taken", "producer.init_transactions:after"),
        Point("partitions are assigned, nothing is announced", "consumer.on_assign:before"),
        Point("the first offsets are written, not committed", "start.store.commit(insert progress):before"),
        Point("the first offsets are announced in the store", "start.store.commit(insert progress):after"),
        Point("before the first offsets go to Kafka", "start.consumer.commit:before"),
        Point("Kafka has the first offsets, the store does not know", "start.consumer.commit:after"),
        Point("the first offsets are written as started", "start.store.commit(insert progress):before", 2),
        Point("the store knows that Kafka has them", "start.store.commit(insert progress):after", 2),
        Point("partitions have begun, nothing is read", "consumer.on_assign:after"),
    ]


def _batch() -> list[Point]:
    """A batch that owes Kafka results: one store transaction, then one Kafka transaction."""
    return [
        Point("records in hand, none decoded", "consumer.consume:after", 3, again=True),
        Point("the batch's orders are looked up", "store.select effects:after", 2),
        Point("decided, nothing written", "store.insert effects:before", 2, again=True),
        Point("in the store's transaction: effects, no results", "store.insert effects:after", 2),
        Point("in the store's transaction: results, no progress", "store.insert results:after", 2),
        Point(
            "in the store's transaction: all written", "store.commit(insert effects):before", 2, again=True
        ),
        Point("the store has the batch", "store.commit(insert effects):after", 2, again=True),
        Point("before the Kafka transaction begins", "producer.begin_transaction:before", 2),
        Point("the Kafka transaction is begun", "producer.begin_transaction:after", 2),
        Point("one result is produced", "producer.produce(dispatch_results):after", 2),
        Point("results are acknowledged", "producer.flush:after", 2, again=True),
        Point("before the offsets join the transaction", "producer.send_offsets_to_transaction:before", 2),
        Point(
            "the offsets are in the transaction", "producer.send_offsets_to_transaction:after", 2, again=True
        ),
        Point("before the Kafka transaction commits", "producer.commit_transaction:before", 2),
        Point(
            "Kafka has committed, memory does not know", "producer.commit_transaction:after", 2, again=True
        ),
        Point("a dead letter is about to be produced", "producer.produce(warehouse.orders.dlq):before"),
        Point(
            "a dead letter is produced, not committed",
            "producer.produce(warehouse.orders.dlq):after",
            again=True,
        ),
    ]


def _end() -> list[Point]:
    """Nothing more to read: markers are passed, the group is left."""
    return [
        Point("offsets alone are in the store's transaction", "store.commit(progress alone):before"),
        Point("the store knows offsets, Kafka does not", "store.commit(progress alone):after", again=True),
        Point("before the group is left", "consumer.close:before"),
        Point("the group is left, nothing else is closed", "consumer.close:after"),
    ]


def _plain() -> list[Point]:
    """A batch that owes Kafka its offsets alone."""
    return [
        Point("plain: all written, the store has nothing", "store.commit(insert effects):before", 2),
        Point("plain: the store has the batch", "store.commit(insert effects):after", 2, again=True),
        Point("plain: before the offsets are committed", "consumer.commit:before", 2, again=True),
        Point(
            "plain: the offsets are committed, memory does not know", "consumer.commit:after", 2, again=True
        ),
    ]


def _deliveries() -> list[Point]:
    """A batch with mails and texts: intended, handed over, done."""
    return [
        Point("mails: intentions written, not committed", "store.commit(insert effects):before", 2),
        Point("mails: intended, none handed over", "store.commit(insert effects):after", 2, again=True),
        Point("mails: before one of several is handed over", "mail.deliver:before", 4),
        Point("mails: a file is written, not visible", "mail.rename:before", 4, again=True),
        Point("mails: one of several is handed over", "mail.deliver:after", 4, again=True),
        Point("texts: one of several is handed over", "text.deliver:after", 3, again=True),
        # As many deliveries are stored as done at once as have ended: there may be one such write alone, and
        # nothing to store once it is committed.
        Point("mails: before one is written as done", "store.update effects:before"),
        Point("mails: written as done, not committed", "store.commit(update effects):before", again=True),
        Point("mails: the store knows that they are done", "store.commit(update effects):after"),
        Point("mails: the refused one is a letter, not committed", "producer.commit_transaction:before"),
        Point("mails: the refused one is put aside", "producer.commit_transaction:after"),
    ]


def _process() -> list[Point]:
    """A batch of a process manager: states, timers and guards in one store transaction, commands after it."""
    return [
        Point("process: states and timers are written, nothing committed", "store.insert timers:after"),
        Point(
            "process: the store has it all, Kafka has no command",
            "store.commit(insert timers):after",
            again=True,
        ),
        Point("process: one command is produced", "producer.produce(dispatch_products):after"),
        Point(
            "process: Kafka has the commands, memory does not know",
            "producer.commit_transaction:after",
            again=True,
        ),
        Point("process: a timer is a record, not committed", "producer.produce(fulfilment.timers):after"),
        Point("process: a timer has fired, and is about to be forgotten", "store.delete timers:before", 2),
    ]


def _payments() -> list[Point]:
    """A batch of payments: intended, asked of the gateway, answered."""
    return [
        Point("payments: intended, none asked for", "store.commit(insert effects):after"),
        Point("payments: before one of several is asked for", "gateway.deliver:before", 3),
        Point("payments: one is charged, its answer is not stored", "gateway.deliver:after", 3, again=True),
        Point(
            "payments: answers are stored, Kafka has no fact",
            "store.commit(update effects):after",
            again=True,
        ),
        Point("payments: one fact is produced", "producer.produce(payments):after"),
        Point("payments: Kafka has the facts, memory does not know", "producer.commit_transaction:after"),
    ]


WAREHOUSE = (*_first_start(), *_batch(), *_end())
SALES = tuple(_plain())
NOTIFICATION = tuple(_deliveries())
FULFILMENT = tuple(_process())
PAYMENTS = tuple(_payments())
CATALOGUE = {
    "warehouse": WAREHOUSE,
    "sales": SALES,
    "notification": NOTIFICATION,
    "fulfilment": FULFILMENT,
    "payments": PAYMENTS,
}


if __name__ == "__main__":
    for title, points in CATALOGUE.items():
        for point in points:
            twice = ", and again while it recovers" if point.again else ""
            print(f"{title:<13} {point.name:<58} {point.step} ({point.nth}){twice}")  # noqa: T201 - its purpose
