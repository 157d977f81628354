"""Deleting handled records that are no longer needed."""
