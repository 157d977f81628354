"""What reactions remember of orders, the history of it, and timers.

I/O: database, through Alembic.
"""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, Text

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and indexes of the sixth version."""
    op.create_table(
        "order_states",
        Column("order_id", BigInteger, primary_key=True, autoincrement=False),
        Column("version", BigInteger, nullable=False),
        Column("status", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("changed_at", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("order_states_by_status", "order_states", ["status", "changed_at"])
    op.create_table(
        "order_history",
        Column("order_id", BigInteger, primary_key=True, autoincrement=False),
        Column("version", BigInteger, primary_key=True, autoincrement=False),
        Column("status", Text, nullable=False),
        Column("message", Text, nullable=False),
        Column("message_id", Text, nullable=False),
        Column("source_topic", Text, nullable=False),
        Column("source_partition", Integer, nullable=False),
        Column("source_offset", BigInteger, nullable=False),
        Column("at", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "order_history_by_position",
        "order_history",
        ["source_topic", "source_partition", "source_offset", "message"],
        unique=True,
    )
    op.create_table(
        "timers",
        Column("order_id", BigInteger, primary_key=True, autoincrement=False),
        Column("name", Text, primary_key=True),
        Column("due_at", BigInteger, nullable=False),
        Column("correlation_id", Text, nullable=False),
        Column("causation_id", Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("timers_by_time", "timers", ["due_at"])
