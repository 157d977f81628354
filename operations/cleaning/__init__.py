"""Deleting handled records that nobody needs any more."""
