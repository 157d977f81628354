"""The mode: its log, its followers, and its changes."""
