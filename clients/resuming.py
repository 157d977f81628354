"""Transactional calls of the client, resumed until they are done.

I/O: none of its own; the step that it is given talks to Kafka.
"""

from collections.abc import Callable

from confluent_kafka import KafkaException

from clients.deadline import Deadline

_SHORTEST_S = 0.1


def retry_transactional(step: Callable[[float], object], deadline: Deadline) -> None:
    """Make a transactional call; librdkafka resumes one that failed retriably when it is made again.

    Args:
        step: the call; takes its timeout in seconds.
        deadline: when to stop resuming.

    Raises:
        KafkaException: it failed for another reason, or retriably until the deadline.
    """
    while True:
        try:
            step(max(deadline.left, _SHORTEST_S))
        except KafkaException as error:
            if not error.args[0].retriable() or deadline.passed:
                raise
        else:
            return
