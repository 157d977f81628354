"""The tables of a group's store. Migrations create them; a test holds that both agree.

`effects` is the guard: one row per effect key, never cleaned (design §7, point 2). `results` is bookkeeping:
one row per batch and partition holds the result records as they were sent (see `stored_results`); rows below
`progress.results_upto` are known to be committed in Kafka and are removed.

I/O: none of its own; it names SQLAlchemy's types.
"""

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text

metadata = MetaData()


def _effect_columns() -> list[Column[object]]:
    return [
        Column("order_id", BigInteger, primary_key=True, autoincrement=False),
        Column("effect", Text, primary_key=True),
        Column("outcome", Text, nullable=False),
        Column("input", Text),
        Column("detail", Text),
        Column("via", Text, nullable=False),
        Column("message_id", Text, nullable=False),
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
