"""Building a reaction's states anew from the log, beside those that it has."""
