"""Who has used the store, and which topics its offsets are of.

I/O: database, through Alembic.
"""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, Text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of the fourth version."""
    op.create_table(
        "members",
        Column("token", Text, primary_key=True),
        Column("slot", Integer),
        Column("started_at", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "topics",
        Column("topic", Text, primary_key=True),
        Column("topic_id", Text, nullable=False),
        sqlite_with_rowid=False,
    )
