"""Groups with live members that make no progress, as the broker sees them.

A group whose oldest waiting record is older than `STUCK_MS` is watched for up to `WATCH_S`: one that commits
nothing meanwhile stands still, whatever its members say of themselves. The watch is longer than a group waits
between two commits while a record is tried again (`consumers.runtime.retry_policy`), and ends with the first
commit. Not here: lag that is transaction markers only; it is none.

I/O: Kafka (committed offsets, members).
"""

import time
from collections.abc import Collection, Iterable, Mapping

from clients.admin import Admin, Partition
from operations import groups
from operations.groups import CommittedOffset, Group
from operations.status.alarms import Lag, waits_longer

STUCK_MS = 60_000
WATCH_S = 20.0
_INTERVAL_S = 0.5


def candidates(lags: Iterable[Lag], known: Iterable[str], now: int) -> list[Lag]:
    """The lags of known groups with live members where a record waits for too long; pure."""
    names = set(known)
    return [lag for lag in lags if lag.group in names and lag.members and waits_longer(lag, now, STUCK_MS)]


def without_commit(
    admin: Admin,
    suspects: Iterable[Lag],
    committed: Mapping[str, Mapping[Partition, CommittedOffset]],
    partitions: Collection[Partition],
) -> list[Lag]:
    """Those lags whose group commits nothing while it is watched.

    Args:
        admin: asks the broker.
        suspects: where records wait for too long.
        committed: what every group had committed of these partitions before.
        partitions: those that are asked for.

    Raises:
        BrokerUnreachable, OperationFailed.
    """
    left = list(suspects)
    deadline = time.monotonic() + WATCH_S
    while left and time.monotonic() < deadline:
        time.sleep(_INTERVAL_S)
        names = sorted({lag.group for lag in left})
        latest = groups.committed(admin, names, partitions)
        left = [lag for lag in left if latest[lag.group] == committed[lag.group]]
    return left


def without_member(lags: Iterable[Lag], before: Mapping[str, Group], now: Mapping[str, Group]) -> list[Lag]:
    """Those lags whose topic no member of the group has, then and now; pure."""
    return [
        lag
        for lag in lags
        if lag.topic not in before[lag.group].topics and lag.topic not in now[lag.group].topics
    ]
