"""What failed and is tried again, orders held behind a dead letter, and what the group wants to be heard of.

I/O: database, through Alembic.
"""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of the second version."""
    op.create_table(
        "attempts",
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("offset", BigInteger, primary_key=True, autoincrement=False),
        Column("count", Integer, nullable=False),
        Column("error", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "held",
        Column("order_id", BigInteger, primary_key=True, autoincrement=False),
        Column("topic", Text, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("offset", BigInteger, nullable=False),
        Column("at", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "parked",
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("offset", BigInteger, primary_key=True, autoincrement=False),
        Column("order_id", BigInteger, nullable=False),
        Column("number", BigInteger, nullable=False),
        Column("source", Text, nullable=False),
        Column("timestamp", BigInteger, nullable=False),
        Column("key", LargeBinary),
        Column("value", LargeBinary),
        Column("headers", Text),
        Column("at", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "alarms",
        Column("name", Text, primary_key=True),
        Column("subject", Text, primary_key=True),
        Column("since", BigInteger, nullable=False),
        Column("text", Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_parked_order_id", "parked", ["order_id"])
