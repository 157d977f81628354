"""Which results and dead letters are in the log already: asked of the log itself (invariant 6).

A record is known by its topic, its key and its headers: a stored result is sent again with the headers that
it had, and a dead letter has its origin and the record's own headers, whenever it is made.

I/O: Kafka (admin client, and a reader that joins no group).
"""

from collections.abc import Collection, Mapping

from clients.admin import Admin, Partition, Watermarks, partitions_of
from clients.config import Cluster
from clients.log_reader import scan
from clients.records import ProducerRecord
from schemas import dead_letters
from schemas.envelope import Headers
from schemas.times import parse_rfc3339

_MARGIN_MS = 60_000
"""A topic may have the times of its broker, whose clock differs from ours."""
_MAY_DIFFER = frozenset({dead_letters.ERROR, dead_letters.MESSAGE, dead_letters.ATTEMPTS})
"""What a dead letter says of the last attempt, which may be made once more after a crash."""

Fingerprint = tuple[str, bytes | None, tuple[tuple[str, bytes | None], ...]]


def in_log(cluster: Cluster, records: Collection[ProducerRecord]) -> set[Fingerprint]:
    """The fingerprints of those records that are committed in the log.

    Args:
        cluster: where.
        records: results and dead letters.

    Raises:
        BrokerUnreachable, OperationFailed: the log cannot be read.
    """
    wanted = {fingerprint(record) for record in records}
    admin = Admin(cluster)
    watermarks = admin.watermarks(partitions_of(admin.topics(), sorted({record.topic for record in records})))
    return {
        name
        for record in scan(cluster, watermarks, starts=_starts(admin, watermarks, records))
        if (name := _fingerprint(record.position.topic, record.key, record.headers)) in wanted
    }


def fingerprint(record: ProducerRecord) -> Fingerprint:
    """What a record is known by."""
    return _fingerprint(record.topic, record.key, record.headers)


def _fingerprint(topic: str, key: bytes | None, headers: Headers) -> Fingerprint:
    encoded = (
        (name, value.encode() if isinstance(value, str) else value)
        for name, value in headers
        if name not in _MAY_DIFFER
    )
    return topic, key, tuple(encoded)


def _starts(
    admin: Admin, watermarks: Mapping[Partition, Watermarks], records: Collection[ProducerRecord]
) -> dict[Partition, int]:
    """Where to begin: at the time of the oldest result; a dead-letter topic is read from its beginning."""
    times = [at for record in records if (at := _made_at(record)) is not None]
    if not times:
        return {}
    topics = {record.topic for record in records if _made_at(record) is not None}
    partitions = [partition for partition in watermarks if partition[0] in topics]
    since = admin.offsets_since(partitions, min(times) - _MARGIN_MS)
    return {
        partition: watermarks[partition].stable if offset is None else offset
        for partition, offset in since.items()
    }


def _made_at(record: ProducerRecord) -> int | None:
    """When a result was made, ms since the epoch; None for a dead letter, which has the times of others."""
    headers = dict(record.headers)
    time = headers.get("ce_time")
    return parse_rfc3339(time) if isinstance(time, str) and dead_letters.OFFSET not in headers else None
