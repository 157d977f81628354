"""The rule for each field of an order. Pure.

A validator takes a value of any type and returns the clean value, or raises `InvalidField` with a sentence
for the user. No validator knows of another field: `request` puts them together.

A text has one spelling: composed (Unicode's NFC), lines ended by a line feed, no blanks at the ends of its
lines, none around it. So a file that was written on another system means the same orders, and its rows get
the same ids (`bulk.content_ids`).

The limits keep one promise: an order is valid in every mode or in none (design §9). So the largest valid
order, 1,000 items of 200 four-byte characters, is a fact of 830 kB and fits into a topic of the catalogue
(`max.message.bytes`).
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from schemas import keys
from schemas.commands import MAX_ADDRESS
from schemas.contacts import e164, mail_address
from schemas.facts import Item
from schemas.money import decimals
from schemas.suggestions import did_you_mean

MAX_TEXT = 200
"""Characters of a customer's or product's name."""
MAX_ITEMS = 1000
MAX_QUANTITY = 2**31 - 1
"""Avro's int."""
MAX_LINE_CENTS = 10**15
"""Quantity times price: stays exact in JSON tools (2**53), and nine thousand such lines fit into 64 bits."""
MAX_EXPIRES_S = 100 * 366 * 86_400
"""A hundred years: RFC 3339 ends with the year 9999, and a deadline must have a text."""


class InvalidField(ValueError):
    """A field of an order breaks its rule; its text is the sentence for the user."""


_MIN_LONG, _MAX_LONG = -(2**63), 2**63 - 1
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}\Z")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,40}([.,][0-9]{0,40})?([eE][+-]?[0-9]{1,4})?\Z")
_TOKEN = re.compile(r"[!-~]{1,200}\Z")
_CARD = re.compile(r"[0-9]{12,19}\Z")
_GROUPING = re.compile(r"[\s._-]")
# C0, DEL, C1 and the separators that split lines: they forge log lines, mail headers and terminal output.
# Lone surrogates have no UTF-8.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# An address may have lines.
_CONTROL_BUT_LINES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def order_id(given: Any) -> int | None:
    """A signed 64-bit integer, as a number or as text; None: one is generated.

    Not one in two thousand of them, whose eight bytes as a record's key spell text (`schemas.keys`): a
    consumer could not tell such a key from another system's text.
    """
    if given is None:
        return None
    if isinstance(given, float | str):
        _refuse_rewritten(str(given).strip())
    number = _whole("order_id", given, _MIN_LONG, _MAX_LONG)
    text = keys.text_of(number)
    if text is not None:
        raise InvalidField(f"order_id {number} as a record's key would be the text {text!r}: choose another")
    return number


def address(given: Any) -> str:
    """Not blank, at most 500 characters; may have lines."""
    if given is None:
        raise InvalidField("address is missing")
    return _text("address", given, MAX_ADDRESS, _CONTROL_BUT_LINES)


def customer(given: Any) -> str | None:
    """A name or number, one line."""
    return None if given is None else _text("customer", given, MAX_TEXT, _CONTROL)


def email(given: Any) -> str | None:
    """One mailbox, `local@domain.tld`, in its one spelling (`contacts.mail_address`)."""
    return _contact("email", given, mail_address, "an e-mail address like anna@example.com")


def phone(given: Any) -> str | None:
    """A number that can be reached from every country, in its one spelling (`contacts.e164`)."""
    return _contact("phone", given, e164, "an international number like +43 664 1234567")


def _contact(name: str, given: Any, spelling: Callable[[str], str], wanted: str) -> str | None:
    if given is None:
        return None
    reason = "it is not text"
    if isinstance(given, str):
        try:
            return spelling(given)
        except ValueError as error:
            reason = str(error)
    raise InvalidField(f"{name} {_display(given)} is not {wanted}: {reason}")


def currency(given: Any) -> str | None:
    """The code of a currency in force with a smallest unit (ISO 4217); None: the placer's currency."""
    if given is None:
        return None
    code = given.strip() if isinstance(given, str) else ""
    if decimals(code) is None:
        raise InvalidField(f"currency {_display(given)} is not three capital letters of ISO 4217 like EUR")
    return code


def expires_in(given: Any) -> float | None:
    """Seconds, more than 0 and at most a hundred years, as a number or as text."""
    if given is None:
        return None
    seconds = _seconds(given)
    if not 0 < seconds <= MAX_EXPIRES_S:
        raise InvalidField(f"expires_in {_display(given)} must be more than 0 seconds and at most 100 years")
    return seconds


def pay(given: Any) -> str | None:
    """A token of the payment gateway: 1 to 200 printable ASCII characters, no blanks.

    What looks like a card number is refused. No message repeats what was given: it may be one.
    """
    if given is None:
        return None
    if _is_card_number(str(given)):
        raise InvalidField("pay looks like a card number: never give card data, give the gateway's token")
    token = given.strip() if isinstance(given, str) else ""
    if not _TOKEN.match(token):
        raise InvalidField(f"pay is not a token of 1 to {MAX_TEXT} printable ASCII characters without blanks")
    return token


def _is_card_number(text: str) -> bool:
    """Whether 12 to 19 digits, however they are grouped, have a card's check digit (ISO/IEC 7812-1, Luhn)."""
    digits = _GROUPING.sub("", text)
    if not _CARD.match(digits):
        return False
    doubled = "".join([str(2 * int(digit)) if at % 2 else digit for at, digit in enumerate(reversed(digits))])
    return sum(int(digit) // 10 + int(digit) % 10 for digit in doubled) % 10 == 0


def items(given: Any) -> tuple[Item, ...]:
    """A list of items: `Item`, mapping, or text as `item_from_text` takes it. None is an empty list."""
    if given is None:
        return ()
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise InvalidField("items must be a list")
    valid, faults = [], []
    for number, item in enumerate(given, 1):
        if number > MAX_ITEMS:
            faults.append(f"more than {MAX_ITEMS} items")
            break
        try:
            valid.append(_item(item))
        except InvalidField as fault:
            faults.append(f"item {number}: {fault}")
    if faults:
        raise InvalidField("; ".join(faults))
    return tuple(valid)


def item_from_text(text: str) -> dict[str, Any]:
    """Split `PRODUCT:QUANTITY:UNIT_CENTS`. The last two colons count, so a product's name may have its own.

    Raises:
        InvalidField: fewer than two colons.
    """
    parts = text.rsplit(":", 2)
    if len(parts) != len(Item._fields):
        raise InvalidField(f"{_display(text)} is not PRODUCT:QUANTITY:UNIT_CENTS")
    return dict(zip(Item._fields, parts, strict=True))


def _item(given: Any) -> Item:
    fields = _item_fields(given)
    valid: dict[str, Any] = {}
    faults: list[str] = []
    for name, rule in _ITEM_RULES.items():
        if name not in fields:
            faults.append(f"{name} is missing")
            continue
        try:
            valid[name] = rule(fields[name])
        except InvalidField as fault:
            faults.append(str(fault))
    if not faults and valid["quantity"] * valid["unit_price_cents"] > MAX_LINE_CENTS:
        faults.append(f"quantity times unit_price_cents is more than {MAX_LINE_CENTS}")
    if faults:
        raise InvalidField(", ".join(faults))
    return Item(**valid)


_ITEM_RULES: dict[str, Callable[[Any], Any]] = {
    "product": lambda given: _text("product", given, MAX_TEXT, _CONTROL),
    "quantity": lambda given: _whole("quantity", given, 1, MAX_QUANTITY),
    "unit_price_cents": lambda given: _whole("unit_price_cents", given, 1, MAX_LINE_CENTS),
}


def _item_fields(given: Any) -> Mapping[str, Any]:
    if isinstance(given, Item):
        return given._asdict()
    if isinstance(given, str):
        return item_from_text(given)
    if not isinstance(given, Mapping):
        raise InvalidField("must have product, quantity and unit_price_cents")
    unknown = [key for key in given if key not in _ITEM_RULES]
    if unknown:
        meant = did_you_mean(str(unknown[0]), _ITEM_RULES)
        raise InvalidField(f"{_display(unknown[0])} is not a field of an item{meant}")
    return given


def _text(name: str, given: Any, longest: int, forbidden: re.Pattern[str]) -> str:
    if not isinstance(given, str):
        raise InvalidField(f"{name} {_display(given)} must be text")
    text = _one_spelling(given)
    if not text:
        raise InvalidField(f"{name} is blank")
    if len(text) > longest:
        raise InvalidField(f"{name} has {len(text)} characters, at most {longest} are allowed")
    bad = forbidden.search(text)
    if bad:
        raise InvalidField(f"{name} has a character that is not text (U+{ord(bad[0]):04X})")
    return text


def _one_spelling(text: str) -> str:
    """See the module's head."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return unicodedata.normalize("NFC", "\n".join([line.rstrip() for line in lines])).strip()


def _refuse_rewritten(text: str) -> None:
    """Refuse an id in another spelling than its number's own: nobody knows which order it was before."""
    if _WHOLE.match(text):
        if text == str(int(text)):
            return
        raise InvalidField(f"order_id {_display(text)} would be order {int(text)}: write that if it is meant")
    if _DECIMAL.match(text):
        raise InvalidField(
            f"order_id {_display(text)} is a decimal, as spreadsheets and data frames rewrite long numbers, "
            "which loses digits: make the column text where the file is written"
        )


def _whole(name: str, given: Any, least: int, most: int) -> int:
    number = given
    if isinstance(given, str) and _WHOLE.match(given.strip()):
        number = int(given)
    if not isinstance(number, int) or isinstance(number, bool):
        raise InvalidField(f"{name} {_display(given)} is not a whole number")
    if not least <= number <= most:
        positive = f"{name} {_display(given)} must be positive" if number < least and least == 1 else None
        raise InvalidField(positive or f"{name} {_display(given)} must be from {least} to {most}")
    return number


def _seconds(given: Any) -> float:
    if isinstance(given, int | float | str) and not isinstance(given, bool):
        try:
            seconds = float(given)
        except (ValueError, OverflowError):
            seconds = math.nan
        if math.isfinite(seconds):
            return seconds
    raise InvalidField(f"expires_in {_display(given)} is not a number of seconds")


def _display(given: Any) -> str:
    text = ascii(given) if isinstance(given, str) and not given.isprintable() else repr(given)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - a message stays one line
