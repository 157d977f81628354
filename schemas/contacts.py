"""Phone numbers and mail addresses as people write them, in the one spelling that machines use. Pure.

Every door uses these: an order that is placed, and a fact of another writer whose mail or text is to be sent.
What a number looks like is libphonenumber's knowledge. The library is loaded when a number is looked at:
most orders are placed without one.
"""

import unicodedata

_MAX_PHONE = 100
_TOO_LONG = "it is too long"


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

    plain = unicodedata.normalize("NFKC", text)
    bare = "".join([char for char in plain if unicodedata.category(char) != "Cf"]).strip().lstrip("([")
    if len(bare) > _MAX_PHONE:
        raise ValueError(_TOO_LONG)
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
