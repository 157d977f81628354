"""Placing orders: a request becomes records in the mode in force, and is published."""
