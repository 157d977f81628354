"""The mode in the status, and what is wrong with the topic that says it.

I/O: Kafka (reads order_mode, and the ends of the orders' topics).
"""

from clients.config import Cluster
from operations.status.alarms import StatusAlarm
from operations.status.mode_alarms import of_mode
from producers.mode.log import read_log
from producers.mode.order_epochs import newest_order_epoch
from schemas.codec import Codec
from schemas.control import ModeChanged
from schemas.errors import TopicMissing


def read_mode(
    cluster: Cluster, codec: Codec, *, timeout_s: float
) -> tuple[ModeChanged | None, list[StatusAlarm]]:
    """The change in force, and the topic's alarms; None where the topic is missing or cannot be read.

    Raises:
        BrokerUnreachable, LeaderUnavailable, RegistryUnreachable, OperationFailed: somebody does not answer.
    """
    try:
        _, state = read_log(cluster, codec, timeout_s=timeout_s)
    except TopicMissing:
        return None, []
    order_epoch = newest_order_epoch(cluster, codec, timeout_s=timeout_s)
    if state.lost_epoch(order_epoch):
        # Perhaps the mode was set, and an order placed, between the two questions.
        _, state = read_log(cluster, codec, timeout_s=timeout_s)
    return None if state.unreadable else state.change, of_mode(state, order_epoch)
