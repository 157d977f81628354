"""Whether all members of a group use one store, by what their clients are called. Pure.

Each member makes a token in its store before it joins, and calls its client `NAME-STORE-TOKEN`, which every
other member can ask of the broker. So a member with another store's id, or with a token that this store does
not have, would do everything a second time. Tokens of the past are in a copy as well: a member that has one,
and does not run on this store, was killed or uses a copy. Only time tells: the broker removes one that was
killed when its session ends.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from clients.groups import GroupMember
from schemas.errors import ForeignStore

_DEFAULT_NAME = "cev"
_CLIENT_ID = re.compile(r"-(?P<store>[0-9a-f]{32})-(?P<token>[0-9a-f]{32})\Z")


class StoreUser(NamedTuple):
    """A member of the group that says which store it uses."""

    member: GroupMember
    store_id: str
    token: str

    @property
    def name(self) -> str:
        """The member for a message."""
        return f"the member {self.member.client_id} at {self.member.host}"


def client_id(name: str | None, store_id: str, token: str) -> str:
    """What a member's client is called.

    Args:
        name: the user's own `client.id`, or None.
        store_id: of the member's store.
        token: of the member in its store.
    """
    return f"{name or _DEFAULT_NAME}-{store_id}-{token}"


def store_users(members: Iterable[GroupMember]) -> list[StoreUser]:
    """Members that say which store they use; one of an older version, or of another program, does not."""
    return [
        StoreUser(member, match["store"], match["token"])
        for member in members
        if (match := _CLIENT_ID.search(member.client_id)) is not None
    ]


def check_store(users: Iterable[StoreUser], known: Mapping[str, bool], *, store_id: str, name: str) -> None:
    """Refuse to work beside a member that uses another store, or a copy of this one.

    Args:
        users: the members of the group.
        known: tokens that this store has (`MemberTable.known`).
        store_id: the id of this store.
        name: this store, for the message.

    Raises:
        ForeignStore: naming the first such member.
    """
    for user in users:
        if user.store_id != store_id:
            raise ForeignStore(
                f"{user.name} of this group uses the store {user.store_id}, and this one is {store_id} "
                f"({name}); one group has one store: stop one of them"
            )
        if user.token not in known:
            raise ForeignStore(
                f"{user.name} of this group uses a copy of the store {name}, or this one is the copy: both "
                "would do everything once; keep the newer one, and stop the members of the other"
            )


def without_process(users: Iterable[StoreUser], known: Mapping[str, bool]) -> list[StoreUser]:
    """Members that no living process on this store belongs to: killed, or on a copy."""
    return [user for user in users if not known.get(user.token, False)]
