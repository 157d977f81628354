"""The embedded broker: an Apache Kafka (and a schema registry) as child processes, and finding one that runs.

This room imports no other room.
"""
