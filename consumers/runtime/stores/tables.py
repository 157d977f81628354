"""The tables of a group's store. Migrations create them; a test holds that both agree.

`effects` is the guard: one row per effect key, never cleaned (invariant 1). `results` is bookkeeping:
one row per batch and partition holds the result records as they were sent (see `result_rows`); rows below
`progress.results_upto` are known to be committed in Kafka and are removed. `attempts` counts what failed and
is tried again. `alarms` is what `cev status` shows of this group. `members` holds who has used the store: the
slot is empty once another member took it over. `topics` holds the ids of the topics that `progress` is of.
`order_states` is what a reaction remembers of orders, `order_history` which messages made it, and `timers`
what it waits for.

I/O: none of its own; it names SQLAlchemy's types.
"""

from typing import Any

from sqlalchemy import BigInteger, Column, Dialect, Index, Integer, MetaData, Table, Text
from sqlalchemy.types import TypeDecorator

from databases.text import kept, restored

metadata = MetaData()


class AnyText(TypeDecorator[str]):
    """Text from outside, NUL and all (`databases.text`); statements that name columns need not know."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """What the store keeps."""
        return None if value is None else kept(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - the same
        """What it was."""
        return None if value is None else restored(value)


def _effect_columns() -> list[Column[object]]:
    return [
        Column("order_id", BigInteger, primary_key=True, autoincrement=False),
        Column("effect", AnyText, primary_key=True),
        Column("outcome", Text, nullable=False),
        Column("input", AnyText),
        Column("detail", AnyText),
        Column("via", Text, nullable=False),
        Column("message_id", AnyText, nullable=False),
        Column("source_topic", Text, nullable=False),
        Column("source_partition", Integer, nullable=False),
        Column("source_offset", BigInteger, nullable=False),
        Column("at", BigInteger, nullable=False),
    ]


store = Table(
    "store",
    metadata,
    Column("id", Text, primary_key=True),
    Column("group_id", Text, nullable=False),
    Column("cluster_id", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

progress = Table(
    "progress",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("results_upto", BigInteger, nullable=False),
    Column("started", Integer, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

effects = Table("effects", metadata, *_effect_columns(), sqlite_with_rowid=False)

shadow_decisions = Table("shadow_decisions", metadata, *_effect_columns(), sqlite_with_rowid=False)

results = Table(
    "results",
    metadata,
    Column("source_topic", Text, primary_key=True),
    Column("source_partition", Integer, primary_key=True, autoincrement=False),
    Column("first_offset", BigInteger, primary_key=True, autoincrement=False),
    Column("last_offset", BigInteger, nullable=False),
    Column("records", Text, nullable=False),
    sqlite_with_rowid=False,
)

attempts = Table(
    "attempts",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("count", Integer, nullable=False),
    Column("error", AnyText, nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

alarms = Table(
    "alarms",
    metadata,
    Column("name", Text, primary_key=True),
    Column("subject", AnyText, primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("text", AnyText, nullable=False),
    sqlite_with_rowid=False,
)

members = Table(
    "members",
    metadata,
    Column("token", Text, primary_key=True),
    Column("slot", Integer),
    Column("started_at", BigInteger, nullable=False),
    Column("writes", BigInteger, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)

topics = Table(
    "topics",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("topic_id", Text, nullable=False),
    sqlite_with_rowid=False,
)

order_states = Table(
    "order_states",
    metadata,
    Column("order_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Index("order_states_by_status", "status", "changed_at"),
    sqlite_with_rowid=False,
)

order_history = Table(
    "order_history",
    metadata,
    Column("order_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("message_id", AnyText, nullable=False),
    Column("source_topic", Text, nullable=False),
    Column("source_partition", Integer, nullable=False),
    Column("source_offset", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index(
        "order_history_by_position",
        "source_topic",
        "source_partition",
        "source_offset",
        "message",
        unique=True,
    ),
    sqlite_with_rowid=False,
)

timers = Table(
    "timers",
    metadata,
    Column("order_id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", AnyText, primary_key=True),
    Column("due_at", BigInteger, nullable=False),
    Column("correlation_id", AnyText, nullable=False),
    Column("causation_id", AnyText, nullable=False),
    Index("timers_by_time", "due_at"),
    sqlite_with_rowid=False,
)
