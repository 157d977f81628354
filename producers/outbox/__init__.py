"""The transactional outbox: rows in the order service's database, and the relay that publishes them."""
