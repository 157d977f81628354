"""The seams of a running process: every step that it takes at Kafka, at its store and at its receivers.

I/O: none of its own; it wraps clients that have some.

`watch(told)` is called in a process before the program is imported. From then on `told(step, times)` is
called in the thread that takes the step, right before and right behind it, with how often it was reached:

    consumer.consume:after                   records are in hand
    consumer.commit:before|after             a plain commit of offsets
    consumer.on_assign:before|after          the program's own callback; the same for on_revoke
    consumer.close:before|after              the group is left
    producer.init_transactions:before|after  and begin_transaction, flush, send_offsets_to_transaction,
                                             commit_transaction, abort_transaction
    producer.produce(TOPIC):before|after
    store.VERB TABLE:before|after            one statement: select, insert, update, delete, create
    store.commit(VERB TABLE):before|after    a transaction that did this among others
    store.commit(TABLE alone):before|after   one that wrote to no other table; `members` is written with each
    mail.deliver:before|after                one mail, and text.deliver, and gateway.deliver
    mail.rename:before                       a mail's file is written and not yet visible
    react:before|after                       a reaction decides about one message, beside the polling thread

Steps taken inside `on_assign` begin with `start.`. It wraps what the libraries promise (clients' methods,
SQLAlchemy's events), and of the program only channels and reactions, so that its inside may be rebuilt.
"""

import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock, Thread, current_thread, local
from typing import Any

Told = Callable[[str, int], None]
Reached = Callable[[str], None]
Act = Callable[[], None]

_STATEMENT = re.compile(
    r"\s*(?:with\b.*?\)\s+(?=update\b))?(?:(insert)\s+(?:or\s+\w+\s+)?into|(update)|(delete)\s+from|(create)\s+table|(select)\b.*?\bfrom)\s+(?:\"?\w+\"?\.)?\"?(\w+)",
    re.IGNORECASE | re.DOTALL,
)
_TRANSACTIONAL = (
    "init_transactions",
    "begin_transaction",
    "flush",
    "send_offsets_to_transaction",
    "commit_transaction",
    "abort_transaction",
)

subscribed: list[Any] = []
"""The process's group members, as clients; for whoever wants to poll with one at a step."""

polling: list[Thread] = []
"""The threads that poll with them."""

reached: Counter[str] = Counter()
"""How often each step was reached."""


class _Steps(local):
    """What one thread is doing."""

    def __init__(self) -> None:
        self.starting = False
        self.wrote: list[str] = []


_steps = _Steps()


class _Watch:
    """Who is told, and what the client may hand over at once."""

    told: Told | None = None
    batch: int | None = None


def watch(told: Told, batch: int | None = None) -> None:
    """Tell of every step from now on.

    Args:
        told: called with the step's name, and how often it was reached.
        batch: most records that the client hands over at once; None leaves it to the program.
    """
    _Watch.told, _Watch.batch = told, batch
    install()


@cache
def install() -> None:
    """Wrap the libraries; nobody is told until `watch`."""
    lock = Lock()

    def at(step: str) -> None:
        if _Watch.told is None:
            return
        name = f"start.{step}" if _steps.starting else step
        with lock:
            reached[name] += 1
            times = reached[name]
        _Watch.told(name, times)

    _watch_consumer(at)
    _watch_producer(at)
    _watch_store(at)
    _watch_channels(at)
    _watch_reactions(at)


def around(told: Reached, step: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """The same call, told of before and behind it."""

    def wrapped(*given: Any, **named: Any) -> Any:
        told(f"{step}:before")
        result = call(*given, **named)
        told(f"{step}:after")
        return result

    return wrapped


def _watch_consumer(told: Reached) -> None:
    import confluent_kafka  # noqa: PLC0415 - the catalogue is read without it

    class Watched(confluent_kafka.Consumer):
        def subscribe(self, topics: list[str], **hooks: Any) -> None:  # type: ignore[override]  # all by name
            subscribed.append(self)
            polling.append(current_thread())
            super().subscribe(topics, **{name: _hook(told, name, each) for name, each in hooks.items()})

        def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Any]:
            found = super().consume(min(num_messages, _Watch.batch or num_messages), timeout)
            told("consumer.consume:after")
            return found

        def commit(self, *given: Any, **named: Any) -> Any:
            return around(told, "consumer.commit", super().commit)(*given, **named)

        def close(self) -> None:
            if self in subscribed:
                around(told, "consumer.close", super().close)()
            else:
                super().close()

    confluent_kafka.Consumer = Watched  # type: ignore[misc]  # that is the point


def _hook(told: Reached, name: str, call: Callable[..., None]) -> Callable[..., None]:
    def starting(*given: Any) -> None:
        _steps.starting = name == "on_assign"
        try:
            call(*given)
        finally:
            _steps.starting = False

    return around(told, f"consumer.{name}", starting)


def _watch_producer(told: Reached) -> None:
    import confluent_kafka  # noqa: PLC0415 - the catalogue is read without it

    class Watched(confluent_kafka.Producer):
        def produce(self, topic: str, *given: Any, **named: Any) -> None:
            around(told, f"producer.produce({topic})", super().produce)(topic, *given, **named)

    for name in _TRANSACTIONAL:
        setattr(Watched, name, around(told, f"producer.{name}", getattr(confluent_kafka.Producer, name)))
    confluent_kafka.Producer = Watched  # type: ignore[misc]  # that is the point


def _watch_store(told: Reached) -> None:
    from sqlalchemy import event  # noqa: PLC0415 - the catalogue is read without it
    from sqlalchemy.engine import Engine  # noqa: PLC0415 - the same
    from sqlalchemy.engine.default import DefaultDialect  # noqa: PLC0415 - the same

    def before(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if (step := _named(statement)) is not None:
            told(f"store.{step}:before")

    def after(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if (step := _named(statement)) is not None:
            told(f"store.{step}:after")
            if not step.startswith("select"):
                _steps.wrote.append(step)

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)
    commit: Callable[..., None] = DefaultDialect.do_commit
    rollback: Callable[..., None] = DefaultDialect.do_rollback

    def committing(dialect: Any, connection: Any) -> None:
        wrote, _steps.wrote = list(dict.fromkeys(_steps.wrote)), []
        tables = {each.split()[1] for each in wrote} - {"results", "members"}
        names = [f"store.commit({each})" for each in wrote]
        names += [f"store.commit({table} alone)" for table in tables if len(tables) == 1]
        for name in names:
            told(f"{name}:before")
        commit(dialect, connection)
        for name in names:
            told(f"{name}:after")

    def rolling_back(dialect: Any, connection: Any) -> None:
        _steps.wrote = []
        rollback(dialect, connection)

    DefaultDialect.do_commit = committing  # type: ignore[method-assign]  # SQLAlchemy has no event behind a commit
    DefaultDialect.do_rollback = rolling_back  # type: ignore[method-assign]  # the same


def _named(statement: str) -> str | None:
    found = _STATEMENT.match(statement)
    if found is None:
        return None
    *verbs, table = found.groups()
    return f"{next(verb for verb in verbs if verb).lower()} {table.lower()}"


def _watch_channels(told: Reached) -> None:
    from consumers.channels.http_payments import HttpPayments  # noqa: PLC0415 - the same
    from consumers.channels.json_lines import JsonLinesText  # noqa: PLC0415 - the same
    from consumers.channels.maildir import Maildir  # noqa: PLC0415 - the program, once Kafka is wrapped

    HttpPayments.deliver = around(told, "gateway.deliver", HttpPayments.deliver)  # type: ignore[method-assign]  # that is the point
    Maildir.deliver = around(told, "mail.deliver", Maildir.deliver)  # type: ignore[method-assign]  # that is the point
    JsonLinesText.deliver = around(told, "text.deliver", JsonLinesText.deliver)  # type: ignore[method-assign]  # the same
    rename = Path.replace

    def renaming(path: Path, target: Path) -> Path:
        if path.parent.name == "tmp":
            told("mail.rename:before")
        return rename(path, target)

    Path.replace = renaming  # type: ignore[assignment, method-assign]  # the same


def _watch_reactions(told: Reached) -> None:
    from consumers import (  # noqa: PLC0415 - before the registry
        fulfilment,
        notification,
        payments,
        sales,
        warehouse,
    )

    for module in (fulfilment, notification, payments, sales, warehouse):
        module.react = around(told, "react", module.react)  # type: ignore[attr-defined]  # that is the point
