"""Drop the tables of parking: records that waited in the store behind a dead letter of their order.

Promise: nothing is lost. A store that still holds such records or orders is left as it is.

I/O: database, through Alembic.
"""

from alembic import op

from schemas.errors import SafetyRefusal

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop `parked` and `held` if both are empty.

    Raises:
        SafetyRefusal: they are not; how many records and orders they hold, and what to do.
    """
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        # A member of an earlier version may park another record between the count and the drop. SQLite's
        # BEGIN IMMEDIATE keeps it out already.
        connection.exec_driver_sql("LOCK TABLE parked, held IN ACCESS EXCLUSIVE MODE")
    records, orders = (
        connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()  # noqa: S608 - names of our own
        for table in ("parked", "held")
    )
    if records or orders:
        raise SafetyRefusal(
            f"it holds {records} parked record(s) and {orders} order(s) behind dead letters, and this "
            "version parks nothing: run the previous version until `cev dlq redrive` or `cev dlq discard` "
            "of these dead letters has released them"
        )
    op.drop_index("ix_parked_order_id", "parked")
    op.drop_table("parked")
    op.drop_table("held")
