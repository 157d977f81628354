"""Schema versions of a store, run by Alembic in a process of their own (see `stores.migrate`)."""
