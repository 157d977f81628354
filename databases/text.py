r"""Escaping text for databases. Pure.

PostgreSQL stores no NUL in text, and no database stores a lone surrogate; malformed records have both. Such a
text is stored as the mark U+0010 and the text with NUL, surrogates and backslashes written as `\u` and four
digits. Every other text is stored unchanged, so rows stay readable, and rows that were written before this
rule keep their meaning.

Promises: `restored(kept(x))` is x. Two texts are equal exactly if their stored forms are equal, so a database
may compare them and use them as keys.
"""

import re

_MARK = "\x10"
_HARD = re.compile("[\x00\\\\\ud800-\udfff]")
_WRITTEN = re.compile(r"\\u([0-9a-f]{4})")


def kept(text: str) -> str:
    """The stored form of a text."""
    return text if plain(text) else _MARK + _HARD.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def restored(text: str) -> str:
    """The text of a stored form."""
    if not text.startswith(_MARK):
        return text
    original = _WRITTEN.sub(lambda match: chr(int(match[1], 16)), text[1:])
    # A row from before this rule may begin with the mark by chance: then `kept` would not return it.
    return original if kept(original) == text else text


def plain(text: str) -> bool:
    """Whether a text, or several joined ones, are stored unchanged."""
    if "\x00" in text or _MARK in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
