"""Many orders: imports from files, generated load, sample orders."""
