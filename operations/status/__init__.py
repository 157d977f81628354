"""What `cev status` collects, and its alarms."""
