"""INSERT ... ON CONFLICT in the words of both databases.

Use `upsert(table)` like `table.insert()`, then `.on_conflict_do_update(index_elements=[...], set_={...})` or
`.on_conflict_do_nothing()`; `.excluded` is the new row. SQLAlchemy has one construct per database; SQLite's
grammar was taken from PostgreSQL's, so PostgreSQL's construct compiles for both, and not the other way round.

I/O: none of its own; it names SQLAlchemy's constructs.
"""

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import Insert


def upsert(table: Table) -> Insert:
    """An insert into a table that may say what happens on a conflict, for SQLite and PostgreSQL."""
    return Insert(table)
