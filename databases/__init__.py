"""Databases: addresses, connections, locks, read-only snapshots, and text that each of them keeps."""
