"""Every member that ever used a store, by the token that it made when it began.

Promise: a member's token is here before the member joins its group. So a member of the group whose token is
not here uses a copy of the store. A copy knows the tokens of its past, though: whether the owner of one still
runs on this store is asked of the slots, whose locks no copy shares.

I/O: database, on connections that the store hands out.
"""

from collections.abc import Callable, Iterable
from uuid import uuid4

from sqlalchemy import delete, select, update

from consumers.runtime.stores.database import Connected
from consumers.runtime.stores.tables import members

_KEPT = 1_000
"""So many members of the past are remembered: one may still be in the group, until its session ends."""


class MemberTable:
    """The members of a store.

    Args:
        reading, writing: connections to the group's store; they raise `DependencyUnavailable`.
        is_held: whether a living member of this store has a slot.
    """

    def __init__(self, reading: Connected, writing: Connected, is_held: Callable[[int], bool]) -> None:
        self._reading = reading
        self._writing = writing
        self._is_held = is_held

    def register(self, slot: int, at: int) -> str:
        """Make a token for the member that has just claimed a slot.

        Args:
            slot: its slot; whoever had it before is a member of the past from here on.
            at: now, ms since the epoch.
        """
        token = uuid4().hex
        past = select(members.c.token).where(members.c.slot.is_(None))
        remembered = past.order_by(members.c.started_at.desc()).limit(_KEPT)
        with self._writing() as connection:
            connection.execute(update(members).where(members.c.slot == slot).values(slot=None))
            connection.execute(members.insert().values(token=token, slot=slot, started_at=at))
            connection.execute(
                delete(members).where(members.c.slot.is_(None), members.c.token.not_in(remembered))
            )
        return token

    def known(self, tokens: Iterable[str]) -> dict[str, bool]:
        """Those of the tokens that were made with this store, and whether their members still run on it."""
        query = select(members.c.token, members.c.slot).where(members.c.token.in_(list(tokens)))
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return {token: slot is not None and self._is_held(slot) for token, slot in rows}

    def any_alive(self) -> bool:
        """Whether a living member of this store has a slot."""
        with self._reading() as connection:
            slots = (
                connection.execute(select(members.c.slot).where(members.c.slot.is_not(None))).scalars().all()
            )
        return any(self._is_held(slot) for slot in slots if slot is not None)
