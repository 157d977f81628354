"""Where a group keeps its state: one store per group (design §8), SQLAlchemy Core, migrated by Alembic."""
