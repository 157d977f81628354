"""Sample orders from a seed: the same seed gives the same content. Pure.

They reach no real person: mail domains are reserved (RFC 2606), and phone numbers come from the range that
Ofcom keeps free for drama.
"""

import random
from collections.abc import Iterator
from functools import partial

from producers.placing.request import OrderRequest
from schemas.facts import Item

_NAMES = (
    "Ada Brook", "Ben Okoro", "Carla Voss", "Dmitri Hale", "Elif Aydin", "Femi Adeyemi", "Greta Lind",
    "Hugo Marsh", "Ines Duarte", "Jonas Weber", "Kira Novak", "Liam Byrne", "Mina Sato", "Noor Rahman",
    "Otto Kranz", "Priya Nair", "Quinn Doyle", "Rosa Conti", "Samir Haddad", "Tilda Berg",
)  # fmt: skip
_STREETS = ("Streetford Road", "Mill Lane", "Harbour Street", "Station Road", "Orchard Way", "Castle Hill")
_TOWNS = ("Hayford", "Northwick", "Easterby", "Linden", "Overton", "St Brannock")
_PRODUCTS = (
    ("kettle", 3499), ("desk lamp", 2750), ("notebook", 450), ("rain jacket", 8990), ("coffee, 1 kg", 1890),
    ("tea towel", 690), ("chess set", 4200), ("headphones", 12900), ("plant pot", 1150), ("umbrella", 1750),
)  # fmt: skip
_DOMAINS = ("example.com", "example.org", "example.net")
_CUSTOMERS = 5000


def sample_orders(seed: int, *, pay: str | None = None) -> Iterator[OrderRequest]:
    """An endless stream of orders without ids.

    Every order has a customer and one to four items. A customer always has the same e-mail address; two of
    five customers have a phone number.

    Args:
        seed: determines their content.
        pay: the payment token of each; None: they have none.

    Raises:
        InvalidOrder: the token breaks its rule.
    """
    token = OrderRequest(address=_STREETS[0], pay=pay).pay
    return iter(partial(_order, random.Random(seed), token), None)


def _order(source: random.Random, pay: str | None) -> OrderRequest:
    number = source.randrange(_CUSTOMERS)
    name = _NAMES[number % len(_NAMES)]
    products = source.sample(_PRODUCTS, source.randint(1, 4))
    # They are valid by construction, so nothing checks them again: that would take half of the time.
    return OrderRequest.model_construct(
        address=f"{source.randint(1, 199)} {source.choice(_STREETS)}, {source.choice(_TOWNS)}",
        customer=f"{name} ({number:04d})",
        email=f"{name.lower().replace(' ', '.')}.{number:04d}@{_DOMAINS[number % len(_DOMAINS)]}",
        phone=f"+447700900{number % 1000:03d}" if number % 5 < 2 else None,  # noqa: PLR2004 - two of five
        items=tuple([Item(product, source.choice((1, 1, 1, 2, 3)), cents) for product, cents in products]),
        pay=pay,
    )
