"""What an order may say; every fault in one message, in plain words."""

from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from producers.placing import validation
from producers.placing.render import MetadataSource, render_order
from producers.placing.request import OrderRequest
from schemas import keys
from schemas.codec import Codec
from schemas.control import Flow, Mode
from schemas.errors import InvalidOrder
from schemas.facts import Item
from schemas.topics import MAX_RECORD_BYTES

PLAIN = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=60).map(
    lambda text: normalize("NFC", text)
)


def refusal(**fields: Any) -> str:
    with pytest.raises(InvalidOrder) as refused:
        OrderRequest.parse({"address": "1 Streetford Road", **fields})
    return str(refused.value)


def test_only_the_address_is_required() -> None:
    request = OrderRequest(address="1 Streetford Road")
    assert request.order_id is None
    assert request.items == ()


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_signed_64_bit_number_is_an_order_id_also_as_text(number: int) -> None:
    assume(keys.text_of(number) is None)
    assert OrderRequest(address="x", order_id=number).order_id == number
    assert OrderRequest(address="x", order_id=str(number)).order_id == number


@pytest.mark.parametrize("text", ["ORDER-12", "20261121", "        ", "~~~~~~~~", "Übung-1"])
def test_an_id_that_would_be_text_as_a_key_is_refused_in_one_sentence(text: str) -> None:
    """A consumer could not tell its command from one under another system's text key."""
    number = int.from_bytes(text.encode(), signed=True)
    wanted = f"order_id {number} as a record's key would be the text {text!r}: choose another"
    assert refusal(order_id=number) == refusal(order_id=str(number)) == wanted


@pytest.mark.parametrize(
    "given_id", [2**63, -(2**63) - 1, "12.0", 12.0, True, "", "x", "1" * 5000, "٣", [1], "0x10", "1_000"]
)
def test_anything_else_is_no_order_id(given_id: object) -> None:
    assert refusal(order_id=given_id).startswith("order_id ")


@pytest.mark.parametrize(("typed", "number"), [("007", 7), ("+7", 7), ("-0", 0), ("-007", -7), (" 07 ", 7)])
def test_an_id_with_another_spelling_than_its_numbers_own_is_refused(typed: str, number: int) -> None:
    """In the system that it comes from, 007 and 7 may be two orders."""
    assert refusal(order_id=typed).endswith(f" would be order {number}: write that if it is meant")


@pytest.mark.parametrize("typed", ["1.2004E+04", "1,2004E+04", "12004.0", "12004.", "12e3", 12004.0, 1e16])
def test_an_id_that_a_spreadsheet_has_rewritten_is_refused_with_the_remedy(typed: object) -> None:
    assert "is a decimal, as spreadsheets and data frames rewrite long numbers" in refusal(order_id=typed)


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=500))
def test_an_address_of_up_to_500_characters_is_kept_as_it_is(typed: str) -> None:
    address = normalize("NFC", typed)
    assume(len(address) <= 500)
    assert OrderRequest(address=address).address == address


@pytest.mark.parametrize("name", ["address", "customer", "product"])
@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" Mill Lane 5 ", "Mill Lane 5"),
        ("\u00a0Mill Lane 5\t", "Mill Lane 5"),
        ("Mu\u0308hle", "M\u00fchle"),
        ("Mill Lane 5\r\n", "Mill Lane 5"),
    ],
)
def test_a_text_has_one_spelling(name: str, typed: str, kept: str) -> None:
    if name == "product":
        (item,) = OrderRequest(
            address="x", items=[{"product": typed, "quantity": 1, "unit_price_cents": 5}]
        ).items
        assert item.product == kept
    else:
        assert getattr(OrderRequest.parse({"address": "x", name: typed}), name) == kept


@pytest.mark.parametrize(
    "typed", ["Mill Lane 5\r\nHayford", "Mill Lane 5 \nHayford", "Mill Lane 5\rHayford\n"]
)
def test_the_lines_of_an_address_have_one_spelling(typed: str) -> None:
    assert OrderRequest(address=typed).address == "Mill Lane 5\nHayford"


def test_an_address_may_have_lines() -> None:
    assert OrderRequest(address="1 Streetford Road\nHayford").address.count("\n") == 1


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        (None, "address is missing"),
        ("", "address is blank"),
        (" \t\n\u00a0", "address is blank"),
        ("x" * 501, "address has 501 characters, at most 500 are allowed"),
        ("a\x1b[2J", "address has a character that is not text (U+001B)"),
        ("a\x00", "address has a character that is not text (U+0000)"),
        ("a\ud800", "address has a character that is not text (U+D800)"),
        (5, "address 5 must be text"),
    ],
)
def test_an_address_that_nobody_can_dispatch_to_is_refused(address: object, fault: str) -> None:
    assert refusal(address=address) == fault


@pytest.mark.parametrize(
    "email",
    ["anna@example.com", "a.b+c@sub.example.co.uk", "o'neil@example.org", "x@xn--bcher-kva.example"],
)
def test_ordinary_mail_addresses_are_accepted(email: str) -> None:
    assert OrderRequest(address="x", email=email).email == email


@pytest.mark.parametrize(
    "email",
    [
        "",
        "anna",
        "@example.com",
        "anna@",
        "anna@localhost",
        "a b@example.com",
        "a@b@example.com",
        ".a@example.com",
        "a..b@example.com",
        "a@-x.com",
        "a@example..com",
        "anna@example.com\nBcc: eve@example.com",
        "x" * 65 + "@example.com",
        f"a@{'x' * 63}.{'y' * 63}.{'z' * 63}.{'w' * 63}.com",
        5,
    ],
)
def test_what_no_mail_server_would_take_is_refused(email: object) -> None:
    assert "is not an e-mail address" in refusal(email=email)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("x@b\u00fccher.example", "x@xn--bcher-kva.example"),
        ("x@bu\u0308cher.example", "x@xn--bcher-kva.example"),
        ("j\u00f6rg@b\u00fccher.example", "j\u00f6rg@xn--bcher-kva.example"),
        ("jo\u0308rg@example.com", "j\u00f6rg@example.com"),
        ("Anna@Example.COM", "Anna@Example.COM"),  # as ids of rows were made of it
        (" anna@example.com\u00a0", "anna@example.com"),
        ("\u202aanna@example.com\u202c", "anna@example.com"),
        ("anna@mail.local", "anna@mail.local"),
    ],
)
def test_a_mail_address_has_one_spelling_in_every_language(typed: str, kept: str) -> None:
    assert OrderRequest(address="x", email=typed).email == kept


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("anna@localhost", "The part after the @-sign is not valid. It should have a period"),
        ("anna", "An email address must have an @-sign"),
        ('"a b"@example.com', "Quoting the part before the @-sign is not allowed here"),
        ("a@[127.0.0.1]", "A bracketed IP address after the @-sign is not allowed here"),
    ],
)
def test_what_is_no_mail_address_is_refused_with_the_reason(typed: str, reason: str) -> None:
    assert refusal(email=typed).endswith(f"is not an e-mail address like anna@example.com: {reason}")


@pytest.mark.parametrize("phone", ["+436641234567", "+43 664 123-45-67", "+1 (555) 010.1234"])
def test_phone_numbers_are_kept_without_their_grouping(phone: str) -> None:
    kept = OrderRequest(address="x", phone=phone).phone
    assert kept is not None
    assert kept[1:].isdigit()


@pytest.mark.parametrize("phone", ["0664 1234567", "+0664123456", "+12", "+1234567890123456", "+43x", "", 43])
def test_numbers_that_are_not_international_are_refused(phone: object) -> None:
    assert "is not an international number" in refusal(phone=phone)


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("+49 (0)89 123456", "+4989123456"),
        ("+39 (0)6 698 1234", "+39066981234"),  # Italy's zero is part of the number
        ("+36 (06) 1 234 5678", "+3612345678"),
        ("+4402079460958", "+442079460958"),
        ("0044 20 7946 0958", "+442079460958"),
        ("(+44) 20 7946 0958", "+442079460958"),
        ("+43\u00a0664\u202f1234567", "+436641234567"),
        ("+44\u201120\u20117946\u20110958", "+442079460958"),
        ("+49 89/123456-0", "+49891234560"),
        ("\u202a+44 20 7946 0958\u202c", "+442079460958"),
        ("+43\u200b664\u00ad1234567", "+436641234567"),
        ("\uff0b43 664 1234567", "+436641234567"),
    ],
)
def test_a_phone_number_as_people_write_it_has_one_spelling(typed: str, number: str) -> None:
    assert OrderRequest(address="x", phone=typed).phone == number


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("020 7946 0958", "it does not begin with + and a country code"),
        ("+999 123456", "there is no such country code"),
        ("+44 20 79", "it is too short for a number of +44"),
        ("+44 20 7946 09581 1", "it is too long for a number of +44"),
        ("+43 664 1234567 Anna", "it has letters"),
        ("+44 20 7946 0958 #7", "it has an extension, which no text message reaches"),
        ("+43 664 1234567 / +43 664 7654321", "it is not one number"),
        ("+" + "4" * 5000, "it is too long"),
        (436641234567, "it is not text"),
    ],
)
def test_what_is_no_phone_number_is_refused_with_the_reason(typed: object, reason: str) -> None:
    assert refusal(phone=typed).endswith(f"is not an international number like +43 664 1234567: {reason}")


@pytest.mark.parametrize("currency", ["eur", "EURO", "E1R", "", 978])
def test_a_currency_is_three_capitals(currency: object) -> None:
    assert "is not three capital letters" in refusal(currency=currency)


@pytest.mark.parametrize("currency", ["XYZ", "DEM", "XXX", "XAU"])
def test_a_currency_that_nobody_pays_with_is_refused(currency: str) -> None:
    assert refusal(currency=currency).endswith("is not three capital letters of ISO 4217 like EUR")


@pytest.mark.parametrize("seconds", [0, -1, "0", "nan", "inf", float("nan"), True, "soon", 1e300, 10**400])
def test_an_order_cannot_expire_before_it_is_placed_or_never(seconds: object) -> None:
    assert refusal(expires_in=seconds).startswith("expires_in ")


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("tok_ok", "tok_ok"),
        (" tok_ok\n", "tok_ok"),
        ("~" * 200, "~" * 200),
        ("4111111111111112", "4111111111111112"),
        ("41111111116", "41111111116"),
        ("tok_4111111111111111", "tok_4111111111111111"),
    ],
)
def test_a_token_is_printable_ascii_without_blanks(typed: str, kept: str) -> None:
    assert OrderRequest(address="x", pay=typed).pay == kept


@pytest.mark.parametrize(
    "typed", ["", " ", "a b", "t\u00f6k", "a\x7f", "a\tb", "x" * 201, 7, True, ["tok_ok"]]
)
def test_what_is_no_token_is_refused(typed: object) -> None:
    wanted = "pay is not a token of 1 to 200 printable ASCII characters without blanks"
    assert refusal(pay=typed) == wanted


@pytest.mark.parametrize(
    "typed",
    [
        "4111111111111111",
        "378282246310005",
        "4222222222222",
        "501800000009",
        "6304000000000000000",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        " 4111111111111111 ",
        4111111111111111,
    ],
)
def test_a_card_number_is_refused_and_never_repeated(typed: object) -> None:
    wanted = "pay looks like a card number: never give card data, give the gateway's token"
    assert refusal(pay=typed) == wanted


@given(PLAIN, st.integers(1, 1000), st.integers(1, 10**9))
def test_an_item_reads_the_same_as_value_mapping_and_text(product: str, quantity: int, cents: int) -> None:
    item = Item(product, quantity, cents)
    forms: list[Item | dict[str, Any] | str] = [item, item._asdict(), f"{product}:{quantity}:{cents}"]
    assert all(OrderRequest(address="x", items=[form]).items == (item,) for form in forms)


def test_a_products_name_may_have_colons() -> None:
    assert OrderRequest(address="x", items=["Dune: Part Two:1:1999"]).items[0].product == "Dune: Part Two"


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        ("k:0:5", "item 1: quantity '0' must be positive"),
        ("k:1:-5", "item 1: unit_price_cents '-5' must be positive"),
        ("k:1", "item 1: 'k:1' is not PRODUCT:QUANTITY:UNIT_CENTS"),
        (":1:5", "item 1: product is blank"),
        (
            {"product": "k", "quantity": 1.5, "unit_price_cents": 5},
            "item 1: quantity 1.5 is not a whole number",
        ),
        ({"product": "k", "quantity": 1}, "item 1: unit_price_cents is missing"),
        ({"product": "k", "price": 1}, "item 1: 'price' is not a field of an item"),
        (5, "item 1: must have product, quantity and unit_price_cents"),
        (f"k:2:{10**15}", f"item 1: quantity times unit_price_cents is more than {10**15}"),
        (f"k:{2**31}:1", f"item 1: quantity '{2**31}' must be from 1 to {2**31 - 1}"),
    ],
)
def test_an_item_that_cannot_be_sold_is_refused(item: object, fault: str) -> None:
    assert refusal(items=[item]) == fault


@pytest.mark.parametrize("items", ["k:1:5", {"product": "k"}, 5])
def test_items_are_a_list(items: object) -> None:
    assert refusal(items=items) == "items must be a list"


def test_every_fault_is_in_one_message() -> None:
    message = refusal(address="", email="x", phone="1", currency="e", items=["a"], order_id="b", hat="c")
    for part in ("address", "email", "phone", "currency", "item 1", "order_id", "'hat' is not a field"):
        assert part in message
    assert "\n" not in message
    assert "value_error" not in message


def test_a_request_is_frozen() -> None:
    request = OrderRequest(address="x")
    with pytest.raises(ValidationError):
        request.address = "y"


def test_the_largest_valid_order_fits_into_a_fact() -> None:
    widest = "\U0001f6b2"
    item = Item(widest * validation.MAX_TEXT, 1, 10**15)
    request = OrderRequest(
        address=widest * 500, customer=widest * 200, items=[item] * validation.MAX_ITEMS, pay="~" * 200
    )
    record = render_order(
        request,
        order_id=-(2**63),
        mode=Mode.EVENT,
        flow=Flow.COLLABORATION,
        epoch=1,
        currency="EUR",
        metadata=MetadataSource().metadata(2**41),
    )[0]
    assert len(Codec().encode(record.topic, record.message)) + 2000 < MAX_RECORD_BYTES


def test_one_item_more_than_that_is_refused() -> None:
    assert "more than 1000 items" in refusal(items=["k:1:5"] * 1001)
