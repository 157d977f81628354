"""Numbers with their nouns. Pure."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and its noun, `1 order` or `2,000 orders`; a plural that does not end in s is given."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
