"""The first tables: identity, progress, effects, shadow decisions, results.

I/O: database, through Alembic.
"""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, Text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


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


def upgrade() -> None:
    """Create every table of the first version."""
    op.create_table(
        "store",
        Column("id", Text, primary_key=True),
        Column("group_id", Text, nullable=False),
        Column("cluster_id", Text, nullable=False),
        Column("created_at", BigInteger, nullable=False),
    )
    op.create_table(
        "progress",
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("position", BigInteger, nullable=False),
        Column("results_upto", BigInteger, nullable=False),
        Column("started", Integer, nullable=False),
        Column("updated_at", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table("effects", *_effect_columns(), sqlite_with_rowid=False)
    op.create_table("shadow_decisions", *_effect_columns(), sqlite_with_rowid=False)
    op.create_table(
        "results",
        Column("source_topic", Text, primary_key=True),
        Column("source_partition", Integer, primary_key=True, autoincrement=False),
        Column("first_offset", BigInteger, primary_key=True, autoincrement=False),
        Column("last_offset", BigInteger, nullable=False),
        Column("records", Text, nullable=False),
        sqlite_with_rowid=False,
    )
