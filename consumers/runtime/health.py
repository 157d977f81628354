"""What `/health/live` and `/health/ready` answer about members; pure.

Live means that the process answers. Ready means that every group has joined, is not waiting for something
that is down, and makes progress wherever there is something to read.
"""

from collections.abc import Sequence
from typing import Any

from consumers.runtime.status import MemberStatus


def health_response(path: str, statuses: Sequence[MemberStatus]) -> tuple[int, dict[str, Any]]:
    """HTTP status code and body for a path."""
    if path == "/health/live":
        return 200, {"live": True}
    if path == "/health/ready":
        ready = all(status.ready for status in statuses)
        return (200 if ready else 503), {"ready": ready, "groups": [readiness(status) for status in statuses]}
    return 404, {"error": "there are /health/live and /health/ready"}


def readiness(status: MemberStatus) -> dict[str, Any]:
    """One group's entry in the body of `/health/ready`."""
    return {
        "group": status.group,
        "ready": status.ready,
        "joined": status.joined,
        "partitions": status.owned,
        "outage": status.outage,
        "unknown_schema": [f"{topic}:{number}" for topic, number in status.paused],
        "unread_expiries": status.unread_expiries,
        "failure": str(status.failure) if status.failure is not None else None,
    }
