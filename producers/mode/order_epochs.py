"""The epoch of the newest orders: what tells that `order_mode` was made anew, or lost its end.

An order carries the epoch of the mode that it was written in, so none of ours has a higher one than the topic
says. If one does, the topic was deleted and created since, or restored from an older copy.

I/O: Kafka (reads the ends of dispatch_products and orders).
"""

from clients.admin import Admin, partitions_of
from clients.config import Cluster
from clients.log_reader import LogRecord, scan
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.envelope import by_name
from schemas.errors import UndecodableMessage
from schemas.facts import OrderPlaced
from schemas.topics import BY_NAME, DISPATCH_PRODUCTS, ORDERS

_SOURCE = f"cev/{BY_NAME[ORDERS].owner}".encode()
_LAST_OFFSETS = 20
"""How many offsets are looked at, per partition: a transaction's markers take offsets too."""


def newest_order_epoch(cluster: Cluster, codec: Codec, *, timeout_s: float = 10.0) -> int:
    """The highest epoch among the newest orders that our own producers wrote; 0 without any.

    Raises:
        BrokerUnreachable, LeaderUnavailable, RegistryUnreachable: nobody answered in time.
        OperationFailed: the broker refused a question.
    """
    admin = Admin(cluster, timeout_s=timeout_s)
    watermarks = admin.watermarks(partitions_of(admin.topics(), (DISPATCH_PRODUCTS, ORDERS)))
    starts = {partition: marks.stable - _LAST_OFFSETS for partition, marks in watermarks.items()}
    records = scan(cluster, watermarks, starts=starts, stall_s=timeout_s)
    return max((_epoch_of(record, codec) for record in records), default=0)


def _epoch_of(record: LogRecord, codec: Codec) -> int:
    headers = by_name(record.headers)
    if headers.get("ce_source") != _SOURCE:
        return 0
    try:
        message = codec.decode(record.position.topic, record.key, record.value, record.position, headers)
    except UndecodableMessage:
        return 0
    return message.mode_epoch if isinstance(message, DispatchProduct | OrderPlaced) else 0
