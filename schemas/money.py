"""Amounts of money: integers of a currency's smallest unit in records, text for people. Pure.

How many decimals a currency has is ISO 4217's word: two for most, none for the yen, three for the dinar of
Kuwait. Its table is loaded when the first amount or code is looked at.
"""

from functools import lru_cache


@lru_cache(maxsize=1024)
def decimals(currency: str) -> int | None:
    """The number of decimals of a currency in force, or None: unknown, withdrawn, or without a smallest unit.

    Args:
        currency: code of ISO 4217, in capitals.
    """
    from iso4217 import Currency  # noqa: PLC0415 - see the module's head

    try:
        return Currency(currency).exponent
    except ValueError:
        return None


def amount(units: int, currency: str) -> str:
    """An amount for people: `1,234.05`, of a currency without decimals `1,234`.

    Args:
        units: of the currency's smallest unit, which records call cents.
        currency: code of ISO 4217. An amount in a currency that is not in force may come from another writer;
            nobody knows where its decimal point is, and the text says `minor units`.
    """
    places = decimals(currency)
    if not places:
        return f"{units:,}" if places == 0 else f"{units:,} minor units"
    whole, rest = divmod(abs(units), 10**places)
    return f"{'-' if units < 0 else ''}{whole:,}.{rest:0{places}d}"
