"""The relay's SQL statements. Two are written for PostgreSQL and for SQLite: both take ids as one JSON array.

A parameter for each of thousands of ids costs as much time as reading their rows.

I/O: none of its own.
"""

from sqlalchemy import text

IDENTITY = text("SELECT outbox_id FROM cev_outbox_relay WHERE one = 1")
IN_DOUBT = text("SELECT batch, row_ids FROM cev_outbox_relay WHERE one = 1")
SET_LEADER = text("UPDATE cev_outbox_relay SET leader = :leader WHERE one = 1")
SET_BATCH_IN_DOUBT = text(
    "UPDATE cev_outbox_relay SET batch = :batch, row_ids = :row_ids WHERE one = 1 AND leader = :leader"
)
_PUBLISHABLE = """published_at IS NULL AND error IS NULL AND NOT EXISTS (
    SELECT 1 FROM cev_outbox refused WHERE refused.published_at IS NULL AND refused.error IS NOT NULL
    AND refused.order_id = waiting.order_id AND refused.id < waiting.id)"""
ANY_WAITING = text(f"SELECT 1 FROM cev_outbox waiting WHERE {_PUBLISHABLE} LIMIT 1")  # noqa: S608 - a constant
SIZES = text(
    f"SELECT id, length(records) FROM cev_outbox waiting WHERE {_PUBLISHABLE} ORDER BY id LIMIT :most"  # noqa: S608 - a constant
)
SIZE_OF = text(f"SELECT id, length(records) FROM cev_outbox waiting WHERE {_PUBLISHABLE} AND id = :only")  # noqa: S608 - a constant
_IDS = {
    "postgresql": "SELECT CAST(value AS bigint) FROM json_array_elements_text(CAST(:ids AS json))",
    "sqlite": "SELECT value FROM json_each(:ids)",
}
ROWS = {
    dialect: text(f"SELECT id, order_id, records FROM cev_outbox WHERE id IN ({ids}) ORDER BY id")  # noqa: S608 - constants
    for dialect, ids in _IDS.items()
}
"""By the name of SQLAlchemy's dialect, like the next."""
MARK_PUBLISHED = {
    dialect: text(f"UPDATE cev_outbox SET published_at = :at WHERE id IN ({ids}) AND published_at IS NULL")  # noqa: S608 - constants
    for dialect, ids in _IDS.items()
}
QUARANTINE = text("UPDATE cev_outbox SET error = :error WHERE id = :id AND published_at IS NULL")
RETRY_REFUSED = text("UPDATE cev_outbox SET error = NULL WHERE published_at IS NULL AND error IS NOT NULL")
CLEAN = text(
    "DELETE FROM cev_outbox WHERE id IN (SELECT id FROM cev_outbox WHERE published_at IS NOT NULL"
    " AND published_at <= :until ORDER BY published_at LIMIT :most)"
)
BACKLOG = text("SELECT count(*), min(accepted_at), count(error) FROM cev_outbox WHERE published_at IS NULL")
LOCK = text("SELECT pg_try_advisory_lock(:key)")
"""The lock is the session's: it ends with the connection."""
KEEP_ALIVE = text(
    "SELECT set_config('tcp_keepalives_idle', '10', false),"
    " set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '3', false)"
)
"""With these the server sees within half a minute that a leader's host is gone, and frees its lock."""
