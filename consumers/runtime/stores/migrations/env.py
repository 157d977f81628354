"""What Alembic runs: every pending version, in one transaction, on the connection that it is given.

I/O: database, through Alembic.
"""

from alembic import context

from consumers.runtime.stores import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    transactional_ddl=True,
)
context.run_migrations()
