"""Phone numbers and mail addresses as people write them, in the one spelling that machines use. Pure.

Every door uses these: an order that is placed, and a fact of another writer whose mail or text is to be sent.
What they look like is the libraries' knowledge: libphonenumber's data, email-validator's RFCs and IDNA. They
are loaded when the first one is looked at: most orders are placed without one. They take a tenth of a
millisecond, as long as all else that an order's validation does, so what recurs is remembered.
"""

import unicodedata
from functools import lru_cache

_REMEMBERED = 8192
_MAX_PHONE = 100
_MAX_MAIL = 320
"""RFC 5321 §4.5.3.1: 64 for the local part, 255 for the domain."""


@lru_cache(_REMEMBERED)
def e164(text: str) -> str:
    """A phone number as ITU-T E.164 writes it: `+44 (0)20 7946 0958` is `+442079460958`.

    Blanks of every kind, hyphens, slashes, brackets and marks of writing direction are grouping. A leading 00
    is the + of most countries. The trunk prefix of a country, such as the 0 in brackets, is no part of the
    number.

    Not checked: whether the number is assigned. A country's ranges change more often than we are built, so
    any number that the country could have, by code and length, is one.

    Raises:
        ValueError: no number that can be reached from every country; the text says why.
    """
    import phonenumbers  # noqa: PLC0415 - see the module's head

    if len(text) > _MAX_PHONE:
        raise ValueError("it is too long")
    plain = unicodedata.normalize("NFKC", text)
    bare = "".join([char for char in plain if not _is_mark(char)]).strip().lstrip("([")
    if any(char.isalpha() for char in bare):
        # The library reads letters as the keys of a telephone: a name behind a number would be its end.
        raise ValueError("it has letters")
    if bare.startswith("00"):
        bare = "+" + bare[2:]
    if not bare.startswith("+"):
        raise ValueError("it does not begin with + and a country code")
    try:
        number = phonenumbers.parse(bare, None)
    except phonenumbers.NumberParseException as error:
        unknown = error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE
        raise ValueError("there is no such country code" if unknown else "it is not one number") from None
    if number.extension:
        raise ValueError("it has an extension, which no text message reaches")
    match phonenumbers.is_possible_number_with_reason(number):
        case phonenumbers.ValidationResult.IS_POSSIBLE:
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        case phonenumbers.ValidationResult.TOO_SHORT | phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
            raise ValueError(f"it is too short for a number of +{number.country_code}")
        case phonenumbers.ValidationResult.TOO_LONG:
            raise ValueError(f"it is too long for a number of +{number.country_code}")
        case _:
            raise ValueError(f"no number of +{number.country_code} has its length")


def dialled(text: str) -> str:
    """The number that a gateway is to dial: in E.164 if it is one, else as it is.

    A fact of another writer may have a short code or a national number. The gateway knows whether it is one.
    """
    try:
        return e164(text)
    except ValueError:
        return text


@lru_cache(_REMEMBERED)
def mail_address(text: str, *, internal: bool = False) -> str:
    """A mail address: `local@domain`, with an international domain as its IDNA form, `xn--…`.

    An ASCII address is returned as it is written, less blanks and marks of writing direction around it. A
    local part beyond ASCII stays (RFC 6531), composed.

    Not checked: whether the mailbox or the domain exists. That is the mail server's word.

    Args:
        text: what somebody wrote.
        internal: also take what RFC 5321 allows and no shop's customer has: a host without a dot, an IP
            address in brackets, a local part in quotes.

    Raises:
        ValueError: not one address; the text says why.
    """
    import email_validator  # noqa: PLC0415 - see the module's head

    if len(text) > _MAX_MAIL:
        raise ValueError(f"an address has at most {_MAX_MAIL} characters, this one {len(text)}")
    # Company networks use names like .local, and demos and tests the reserved ones.
    email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()
    bare = text.strip()
    while bare and (_is_mark(bare[0]) or _is_mark(bare[-1])):
        bare = bare.removeprefix(bare[0]) if _is_mark(bare[0]) else bare.removesuffix(bare[-1])
    try:
        valid = email_validator.validate_email(
            bare,
            check_deliverability=False,
            strict=not internal,
            globally_deliverable=not internal,
            allow_quoted_local=internal and bare.isascii(),
            allow_domain_literal=internal,
        )
    except email_validator.EmailNotValidError as error:
        raise ValueError(str(error).rstrip(".")) from None
    return bare if bare.isascii() else f"{valid.local_part}@{valid.ascii_domain}"


def _is_mark(char: str) -> bool:
    """Whether it has no width: a mark of writing direction, a soft hyphen, a byte order mark."""
    return unicodedata.category(char) == "Cf"
