"""The ids of the topics that a store's offsets are of: a topic that is made anew has another one.

I/O: database, on connections that the store hands out.
"""

from collections.abc import Mapping

from sqlalchemy import select

from consumers.runtime.starting_offset import way_on
from consumers.runtime.stores.database import Connected
from consumers.runtime.stores.tables import topics
from consumers.runtime.stores.upsert import upsert
from schemas.errors import LostOffset


class TopicTable:
    """The topics of a store.

    Args:
        reading, writing: connections to the group's store; they raise `DependencyUnavailable`.
    """

    def __init__(self, reading: Connected, writing: Connected) -> None:
        self._reading = reading
        self._writing = writing

    def ids(self) -> dict[str, str]:
        """Topics that members have read, and their ids."""
        with self._reading() as connection:
            rows = connection.execute(select(topics.c.topic, topics.c.topic_id)).all()
        return {row.topic: row.topic_id for row in rows}

    def check(self, current: Mapping[str, str], group: str) -> None:
        """Remember the ids of topics that are read for the first time, and refuse one that was made anew.

        Args:
            current: topics with their ids.
            group: the group's id, for the message.

        Raises:
            LostOffset: a topic has another id than it had.
        """
        known = self.ids()
        for name, topic_id in sorted(current.items()):
            if known.get(name, topic_id) != topic_id:
                raise LostOffset(
                    f"the topic {name} was made anew: its id is {topic_id}, and the store's offsets are of "
                    f"{known[name]}; {way_on(group)}"
                )
        new = sorted(current.keys() - known.keys())
        if new:
            rows = [{"topic": name, "topic_id": current[name]} for name in new]
            with self._writing() as connection:
                connection.execute(upsert(topics).values(rows).on_conflict_do_nothing())
