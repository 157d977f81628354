"""What an operator does: topics, status, dead letters, effects, and the proof that every order was handled.

Nothing here reacts to a message or places an order. Stores are only read.
"""
