"""The mode: its log, who follows it, and who changes it."""
