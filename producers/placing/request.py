"""What a user asks for: one order, checked at the door. Pure.

An `OrderRequest` that exists is valid, in every mode (design §9): nothing behind it checks again. The rules
themselves are in `checks`.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError

from producers.placing import validation
from schemas.errors import InvalidOrder
from schemas.facts import Item


class OrderRequest(BaseModel):
    """One order, as a customer wants it placed. Frozen.

    Attributes:
        address: where to; not blank, at most 500 characters. The only one that is required.
        order_id: any signed 64-bit integer, also as text; None: one is made (`ids`).
        customer: who.
        email: where a mail goes; without one, none is owed.
        phone: E.164; where a text message goes; without one, none is owed.
        currency: three capitals; None: the placer's own.
        items: what; an item may be given as `Item`, as a mapping or as `PRODUCT:QUANTITY:UNIT_CENTS`.
        expires_in: seconds after which the order is not to be dispatched any more; None: never.

    Raises:
        InvalidOrder: one message with every fault of the order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: Annotated[str, PlainValidator(validation.address)]
    order_id: Annotated[int | None, PlainValidator(validation.order_id)] = None
    customer: Annotated[str | None, PlainValidator(validation.customer)] = None
    email: Annotated[str | None, PlainValidator(validation.email)] = None
    phone: Annotated[str | None, PlainValidator(validation.phone)] = None
    currency: Annotated[str | None, PlainValidator(validation.currency)] = None
    items: Annotated[tuple[Item, ...], PlainValidator(validation.items)] = ()
    expires_in: Annotated[float | None, PlainValidator(validation.expires_in)] = None

    def __init__(
        self,
        *,
        address: str,
        order_id: int | str | None = None,
        customer: str | None = None,
        email: str | None = None,
        phone: str | None = None,
        currency: str | None = None,
        items: Iterable[Item | Mapping[str, Any] | str] | None = (),
        expires_in: float | str | None = None,
    ) -> None:
        """Check every field; the signature says which types each of them takes."""
        try:
            super().__init__(
                address=address,
                order_id=order_id,
                customer=customer,
                email=email,
                phone=phone,
                currency=currency,
                items=items,
                expires_in=expires_in,
            )
        except ValidationError as error:
            raise InvalidOrder("; ".join(_words(fault) for fault in error.errors())) from None

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> "OrderRequest":
        """An order from names and values that somebody else chose.

        Raises:
            InvalidOrder: unknown names, and every other fault, in one message.
        """
        unknown = [key for key in fields if key not in FIELDS]
        if not unknown:
            return cls(**{"address": None, **fields})
        faults = [f"{key!r} is not a field of an order" for key in unknown]
        known = {key: value for key, value in fields.items() if key in FIELDS}
        try:
            cls(**{"address": None, **known})
        except InvalidOrder as more:
            faults.append(str(more))
        raise InvalidOrder("; ".join(faults))


FIELDS: tuple[str, ...] = (
    "order_id",
    "address",
    "customer",
    "email",
    "phone",
    "currency",
    "items",
    "expires_in",
)
"""The names of an order's fields, in the order of design §9; also the keys and columns of bulk rows."""


def _words(fault: Any) -> str:
    # Pydantic's own text is "Value error, <sentence>"; the sentence is ours, and whole.
    return str(fault["ctx"]["error"])
