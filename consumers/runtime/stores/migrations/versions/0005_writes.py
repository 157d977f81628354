"""How many transactions each member has committed.

I/O: database, through Alembic.
"""

from alembic import op
from sqlalchemy import BigInteger, Column

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column of the fifth version."""
    op.add_column("members", Column("writes", BigInteger, nullable=False, server_default="0"))
