"""The cluster: an embedded Apache Kafka as child processes, finding one that runs, and client configuration.

This room imports no other room; every other room may import `clients.config`.
"""
