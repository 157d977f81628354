"""Keeps a member out of a group in which another one uses a copy of its store (invariant 14).

Before it joins, a member waits until all members of its group are known to run on its store: a copy that is
started second never joins, and disturbs nobody. With every assignment, before the first record is read, each
member looks again: of two that started in the same moment, the one that comes later stops, or both do.

I/O: Kafka and the store.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import replace
from threading import Event
from typing import TypeVar

from clients.admin import Admin
from clients.config import Cluster
from clients.groups import group_members
from consumers.runtime.events import MemberEvents
from consumers.runtime.store_copies import (
    StoreUser,
    check_store,
    client_id,
    store_users,
    without_process,
)
from consumers.runtime.stores.store import Identity, Store
from schemas.errors import BrokerUnreachable, ForeignStore, OperationFailed

T = TypeVar("T")

_INTERVAL_S = 0.25
_ASK_AGAIN_S = 2.0
_LONGEST_SESSION_S = 60.0
"""The longest session that a broker grants by default (`group.consumer.max.session.timeout.ms`)."""


class CopyFence:
    """What one member asks of its group.

    Args:
        cluster: where the group is.
        store: the member's store.
        identity: of that store.
        slot: the member's slot there.
        at: now, ms since the epoch.

    Attributes:
        cluster: the same, where the member's consumer has the name by which the others know its store.
    """

    def __init__(self, cluster: Cluster, store: Store, identity: Identity, slot: int, at: int) -> None:
        self._store = store
        self._identity = identity
        self._token = store.register(slot, at)
        name = client_id(cluster.kafka.get("client.id"), identity.id, self._token)
        self.cluster = replace(cluster, kafka={**cluster.kafka, "client.id": name})
        session_ms = cluster.kafka.get("session.timeout.ms", "")
        self._session_s = max(int(session_ms) / 1000 if session_ms.isdecimal() else 0, _LONGEST_SESSION_S)

    def wait(self, stopping: Event, events: MemberEvents) -> None:
        """Wait until every member of the group is known to run on this store, or until told to stop.

        Args:
            stopping: set by others to end the wait.
            events: told for whom this waits, or why the group cannot be asked.

        Raises:
            ForeignStore: a member uses another store or a copy: one that stays for longer than the session of
                a killed one can last.
        """
        admin = Admin(self.cluster)
        until = time.monotonic() + 1.5 * self._session_s
        reported = False
        while not stopping.is_set():
            try:
                unknown = without_process(*self._look(admin))
            except BrokerUnreachable as error:
                events.idle(error)
                stopping.wait(_ASK_AGAIN_S)
                continue
            if not unknown:
                return
            if time.monotonic() >= until:
                raise ForeignStore(
                    f"{unknown[0].name} is in the group, and no process on the store {self._store.name} "
                    "belongs to it: it uses a copy; keep the newer one, and stop the members of the other"
                )
            if not reported:
                events.member_without_process(unknown[0])
                reported = True
            stopping.wait(_INTERVAL_S)

    def check(self, topics: Collection[str]) -> None:
        """Refuse to begin beside a member that uses another store or a copy, or with a topic made anew.

        Args:
            topics: of which partitions begin.

        Raises:
            ForeignStore: naming the member; or this member itself is not in its store any more.
            LostOffset: naming the topic.
            BrokerUnreachable: the broker cannot be asked.
        """
        admin = Admin(self.cluster)
        self._look(admin)
        ids = _asked(lambda: admin.topic_ids(topics))
        self._store.topics.check(ids, self._identity.group)

    def _look(self, admin: Admin) -> tuple[list[StoreUser], dict[str, bool]]:
        # The group first: who is a member by now has its token in the store.
        users = store_users(_asked(lambda: group_members(admin, self._identity.group)))
        known = self._store.members.known({user.token for user in users} | {self._token})
        if self._token not in known:
            raise ForeignStore(
                f"the store {self._store.name} does not know this member, which began with it: an older "
                "state was put in its place; restore the newest one"
            )
        check_store(users, known, store_id=self._identity.id, name=str(self._store.name))
        return users, known


def _asked(question: Callable[[], T]) -> T:
    """An answer of the broker; whatever it refuses may be mended from outside, so a member waits for it."""
    try:
        return question()
    except OperationFailed as error:
        raise BrokerUnreachable(f"the group cannot be checked: {error}") from error
