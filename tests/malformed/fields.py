"""Hostile fields: readable records whose text, numbers and lists are odd. Pure."""

from schemas.building import MAX_ENTRIES
from schemas.errors import (
    ConflictingOrder,
    DeliveryRejected,
    ForeignFact,
    MalformedBody,
    TooManyEntries,
    UnknownFlow,
)
from tests.malformed.case import (
    BLANK,
    DISPATCHED,
    EXPIRED,
    HOME,
    NOTHING,
    NULL,
    SHADOW,
    SKIPPED,
    Maker,
    array,
    dead,
    item,
    maybe,
    text,
    too_long,
)
from tests.support.kafka.wire import long_of

_EDGE = 2**63
_ITEMS_OF_A_MEGABYTE = 340_000

HARMLESS = {
    "NUL": "1 Street\0ford Road",
    "every C0 control character": "".join(map(chr, range(32))) + "x",
    "C1 control characters": "\x9b2J\x85\x90x",
    "escapes that clear a terminal": "\x1b[2J\x1b[H\x1b]0;owned\x07 1 Road",
    "a carriage return over the line": "1 Road\rORDER PAID",
    "a right-to-left override": "1 \u202edaoR drofteertS",
    "isolates left open": "\u2066\u2067\u2068 1 Road",
    "zero-width characters": "1\u200b \u200d\u2060\ufeffRoad",
    "zero-width characters alone": "\u200b\u200b",
    "line and paragraph separators": "1 Road\u2028Town\u2029Land",
    "tag characters": "1 Road \U000e0041\U000e007f",
    "private use and noncharacters": "\ue000\uffff\U0010ffff 1 Road",
    "a letter under 499 marks": "a" + "\u0301" * 499,
    "an emoji of many parts": "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 1 Road",
    "a terminal library's markup": "[bold red]1 Road[/] [link=file:///etc/passwd]x[/link]",
    "a format string": "%s%n {0.__class__} ${jndi:ldap://x/a}",
    "SQL": "'; DROP TABLE effects; --",
    "JSON": '"}, {"order_id": "1',
    "a spreadsheet's formula": "=cmd|'/C calc'!A0",
    "a path": "../../../../etc/passwd",
    "exactly 500 characters": "x" * 500,
}
"""Addresses that are odd and right: text is no reason to leave an order undone."""

BROKEN_TEXT = {
    "half a surrogate pair as CESU-8": b"1 \xed\xa0\xbd Road",
    "a whole surrogate pair as CESU-8": b"1 \xed\xa0\xbd\xed\xb8\x80 Road",
    "an overlong NUL": b"1 \xc0\x80 Road",
    "an overlong slash": b"1 \xe0\x80\xaf Road",
    "a character beyond Unicode": b"1 \xf4\x90\x80\x80 Road",
    "Latin-1": "Straße 1".encode("latin-1"),
    "UTF-16": "1 Straße".encode("utf-16"),
    "UTF-8 cut inside a character": "1 Straß".encode()[:-1],
}
"""Addresses that are no UTF-8."""


def addresses(make: Maker) -> None:
    """Where to, in every way that text can be odd."""
    for name, address in HARMLESS.items():
        make.command(f"an address with {name}", address)
    for name, raw in BROKEN_TEXT.items():
        make.command(f"an address in {name}", raw, dead(MalformedBody))
    for name, refused, end in (
        ("no address", None, NULL),
        ("an empty address", "", BLANK),
        ("an address of spaces", " \t\n\u3000\u00a0", BLANK),
        ("an address of 501 characters", "x" * 501, too_long(501)),
        ("an address of a megabyte", "ä" * 524_000, too_long(524_000)),
    ):
        make.command(name, refused, end)
    make.fact("a fact to an empty address", address=text(""), ends={"warehouse": BLANK})
    make.fact("a fact to NUL and an escape", address=text("\0\x1b[31m"))


def numbers(make: Maker) -> None:
    """Order ids, epochs and times at the edges of 63 bits."""
    make.command("order 2^63-1", order_id=_EDGE - 1)
    make.command("order -2^63", order_id=-_EDGE)
    make.fact("order 0", order_id=0)
    make.fact("order -1", order_id=-1)
    for epoch in (-1, -_EDGE, _EDGE - 1):
        make.command(f"a command of epoch {epoch}", epoch=epoch)
        make.fact(f"a fact of epoch {epoch}", mode_epoch=long_of(epoch))
    unknown = dict.fromkeys(("warehouse", "notification"), dead(UnknownFlow))
    make.fact("a fact of a flow that nobody knows", flow=text("tomorrow"), ends=unknown)
    make.fact(
        "a fact of epoch 0, outside any mode", mode_epoch=long_of(0), ends={"warehouse": dead(ForeignFact)}
    )
    for at, end in ((-_EDGE, SKIPPED), (0, SKIPPED), (_EDGE - 1, None)):
        make.fact(f"placed at {at}", placed_at=long_of(at), ends={} if end is None else {"notification": end})
    for before, end in ((-_EDGE, EXPIRED), (-1, EXPIRED), (0, EXPIRED), (_EDGE - 1, DISPATCHED)):
        field = b"\x02" + long_of(before)
        make.fact(f"to be dispatched before {before}", dispatch_before=field, ends={"warehouse": end})


def items(make: Maker) -> None:
    """What was bought: none, too many, less than nothing."""
    for name, lines in {
        "no items": [],
        "a quantity of zero": [item(quantity=0)],
        "a negative quantity": [item(quantity=-(2**31))],
        "a negative price": [item(cents=-_EDGE)],
        "the largest quantity at the highest price": [item(quantity=2**31 - 1, cents=_EDGE - 1)] * 3,
        "a product without a name": [item("")],
        "products named by escapes": [item("\x1b[2J\0\u202e"), item("[red]x[/]\n")],
        "a product of 300,000 characters": [item("p" * 300_000)],
        "as many items as are read": [item()] * MAX_ENTRIES,
    }.items():
        make.fact(name, items=array(lines))
    one = item()
    for name, blocks in {
        "items in two blocks": long_of(1) + one + long_of(1) + one + b"\x00",
        "items in a block that says its bytes": long_of(-1) + long_of(len(one)) + one + b"\x00",
        "items in a block that lies about its bytes": long_of(-1) + long_of(-(10**9)) + one + b"\x00",
    }.items():
        make.fact(name, items=blocks)
    make.fact("a quantity beyond 32 bits", dead(MalformedBody), items=array([item(quantity=2**31)]))
    make.fact("one item more than are read", dead(TooManyEntries), items=array([one] * (MAX_ENTRIES + 1)))
    smallest = [item("", 0, 0)] * _ITEMS_OF_A_MEGABYTE
    make.fact("a megabyte of the smallest items", dead(TooManyEntries), items=array(smallest))


def shadows(make: Maker) -> None:
    """Facts that say whose command decides, or something like it."""

    def named(*names: str) -> bytes:
        return array([text(name) for name in names])

    only = {"warehouse": SHADOW}
    make.fact("a shadow of a command that never came", shadow_of=named("dispatch_products"), ends=only)
    make.fact("a shadow named a thousand times", shadow_of=named(*["dispatch_products"] * 1_000), ends=only)
    make.fact("a shadow of thousands, one of them ours", ends=only,
              shadow_of=named(*map(str, range(9_000)), "dispatch_products"))  # fmt: skip
    for name, junk in {
        "a shadow of junk": ("\0", "\x1b[2J", "orders", "DISPATCH_PRODUCTS", "dispatch_products "),
        "a shadow of our topic and NUL": ("dispatch_products\0",),
        "a shadow of a long name": ("x" * 100_000,),
    }.items():
        make.fact(name, shadow_of=named(*junk))
    make.fact("a shadow of a million topics", dead(TooManyEntries), shadow_of=named(*[""] * 1_000_000))


def people(make: Maker) -> None:
    """Who bought it, and how to reach them."""
    for name, customer in {
        "a customer of escapes": "\x1b]8;;http://x\x07Ann\x1b]8;;\x07",
        "a customer with NUL": "Ann\0",
        "a customer without a name": "",
        "a customer right to left": "\u202e\u2067nnA",
        "a customer of 300,000 characters": "A" * 300_000,
    }.items():
        make.fact(name, customer=maybe(customer))
    make.fact("nobody", customer=maybe(None), ends={"loyalty": NOTHING})
    refused = {"notification": dead(DeliveryRejected)}
    for name, email in {
        "a mail address that brings a header": "ann@example.org\r\nBcc: everyone@example.org",
        "a mail address that is a list": "ann@example.org, everyone@example.org",
        "a mail address without a domain": "ann",
        "a mail address with NUL": "ann\0@example.org",
        "a mail address of dots": "." * 1_000,
        "a mail address that opens a bracket": "ann@[",
    }.items():
        make.fact(name, email=maybe(email), ends=refused)
    make.fact("a mail address beyond ASCII", email=maybe("änn@exämple.org"))
    make.fact("an empty mail address", email=maybe(""), ends={"notification": NOTHING})
    make.fact("a telephone number of escapes", email=maybe(None), phone=maybe("\x1b[2J\0\u202e+1"))
    make.fact("a telephone number of 300,000 digits", email=maybe(None), phone=maybe("1" * 300_000))
    for name, currency in {"no currency": "", "a currency of escapes": "\x1b[31m\0"}.items():
        make.fact(name, currency=text(currency))


def twins(make: Maker) -> None:
    """The same order twice."""
    make.command("an order")
    first = make.next_order - 1
    make.command("the same order, word for word", end=NOTHING, order_id=first)
    make.command("the same order, told differently", HOME + "\0", dead(ConflictingOrder), order_id=first)
