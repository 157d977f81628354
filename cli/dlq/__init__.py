"""`cev dlq`."""
