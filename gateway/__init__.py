"""A stand-in for a payment gateway: a foreign system over HTTP with its own store; it charges nobody."""
