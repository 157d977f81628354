"""Noticing that a topic was deleted and made anew under its name, by its id (KIP-516).

I/O: Kafka (admin client).
"""

import time
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public names that it imports without __all__
    AdminClient,
    TopicDescription,
)

from clients.config import LASTING_RECONNECT_MS, Cluster

if TYPE_CHECKING:
    from concurrent.futures import Future

INTERVAL_S = 2.0
_ANSWER_S = 5.0


class TopicIdWatch:
    """Asks for a topic's id now and then; never waits.

    Args:
        cluster: where.
        topic: its name.
    """

    def __init__(self, cluster: Cluster, topic: str) -> None:
        settings = cluster.unless_set(reconnect_backoff_ms=LASTING_RECONNECT_MS)
        self._client = AdminClient({**cluster.admin(), **settings})
        self._topic = topic
        self._known: str | None = None
        self._next_at = 0.0
        self._question: Future[TopicDescription] | None = self._ask()

    def changed(self) -> bool:
        """Whether the topic has another id than at the answer before.

        A topic that is not there, and a broker that does not answer, tell nothing.
        """
        if self._question is None:
            if time.monotonic() >= self._next_at:
                self._question = self._ask()
            return False
        if not self._question.done():
            return False
        question, self._question = self._question, None
        try:
            topic_id = str(question.result().topic_id)
        except KafkaException:
            return False
        known, self._known = self._known, topic_id
        return known not in (None, topic_id)

    def _ask(self) -> "Future[TopicDescription]":
        self._next_at = time.monotonic() + INTERVAL_S
        return self._client.describe_topics(TopicCollection([self._topic]), request_timeout=_ANSWER_S)[
            self._topic
        ]
