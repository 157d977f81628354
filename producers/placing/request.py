"""One order as a user asks for it, validated when it is made. Pure.

An `OrderRequest` that exists is valid in every mode (design §9), so nothing that takes one validates again.
The rules are in `validation`.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError

from producers.placing import validation
from schemas.errors import InvalidOrder
from schemas.facts import Item
from schemas.suggestions import did_you_mean


class OrderRequest(BaseModel):
    """One order, as a customer wants it placed. Frozen.

    Attributes:
        address: of the dispatch; not blank, at most 500 characters. The only field that is required.
        order_id: any signed 64-bit integer, also as text; None: one is generated (`order_ids`).
        customer: the customer's name or number.
        email: address of the e-mail notification; None: none is sent.
        phone: E.164 number of the text notification; None: none is sent.
        currency: three capital letters (ISO 4217); None: the placer's currency.
        items: what is ordered; each an `Item`, a mapping, or text as `PRODUCT:QUANTITY:UNIT_CENTS`.
        expires_in: seconds after which the order must not be dispatched any more; None: never.
        pay: a token of the payment gateway, never card data; None: the order names none. Who asks for it
            depends on the flow (design §10).

    Raises:
        InvalidOrder: a field breaks its rule; one message names every fault.
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
    pay: Annotated[str | None, PlainValidator(validation.pay)] = None

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
        pay: str | None = None,
    ) -> None:
        """Validate every field; the annotations name the types that each field takes."""
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
                pay=pay,
            )
        except ValidationError as error:
            raise InvalidOrder("; ".join(_sentence(details) for details in error.errors())) from None

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> "OrderRequest":
        """An order from untrusted names and values.

        Args:
            fields: values by field name; unknown names are faults.

        Raises:
            InvalidOrder: one message names the unknown names and every other fault.
        """
        unknown = [key for key in fields if key not in FIELDS]
        if not unknown:
            return cls(**{"address": None, **fields})
        errors = [f"{key!r} is not a field of an order{did_you_mean(str(key), FIELDS)}" for key in unknown]
        known = {key: value for key, value in fields.items() if key in FIELDS}
        try:
            cls(**{"address": None, **known})
        except InvalidOrder as more:
            errors.append(str(more))
        raise InvalidOrder("; ".join(errors))


FIELDS: tuple[str, ...] = (
    "order_id",
    "address",
    "customer",
    "email",
    "phone",
    "currency",
    "items",
    "expires_in",
    "pay",
)
"""The names of an order's fields, in the order of design §9; also the keys and columns of bulk rows."""


def _sentence(details: Any) -> str:
    # Pydantic's own text is "Value error, <sentence>"; the exception holds the sentence alone.
    return str(details["ctx"]["error"])
