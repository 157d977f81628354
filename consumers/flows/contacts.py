"""Whom notification tells in flow `collaboration`: what it remembers of an order. Pure."""

from typing import NamedTuple

from schemas.facts import OrderPlaced


class Contact(NamedTuple):
    """The customer of one order, and what there is to say until he is known.

    Attributes:
        is_known: whether the order is known.
        customer, email, phone: as the order says.
        due: purposes of what is said once the order is known, the first heard first.
    """

    is_known: bool = False
    customer: str | None = None
    email: str | None = None
    phone: str | None = None
    due: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """`known`, or `waiting for order`."""
        return "known" if self.is_known else "waiting for order"

    def placed(self, order: OrderPlaced) -> "Contact":
        """What is known once the order is; an order that is placed twice is told as it was first."""
        if self.is_known:
            return self
        return Contact(
            is_known=True, customer=order.customer, email=order.email, phone=order.phone, due=self.due
        )

    def heard(self, purpose: str) -> "Contact":
        """What there is to say after a result."""
        return self if purpose in self.due else self._replace(due=(*self.due, purpose))
