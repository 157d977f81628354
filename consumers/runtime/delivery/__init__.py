"""Deliveries to the outside: a pool of keyed workers, a circuit breaker per receiver, outcomes."""
