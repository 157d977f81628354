r"""Any text as text that every store can keep. Pure.

PostgreSQL keeps no NUL in its text and no database keeps a lone surrogate; both come in hostile records. Such
a text is kept as the mark U+0010 and the text with NUL, surrogates and backslashes written `\u` and four
digits. Everything else is kept as it is, so the rows of a store stay readable, and rows that were written
before this rule still mean what they say.

Promises: `restored(kept(x))` is x; two texts are equal exactly if what is kept of them
is equal, so a database may compare and key them.
"""

import re

_MARK = "\x10"
_HARD = re.compile("[\x00\\\\\ud800-\udfff]")
_WRITTEN = re.compile(r"\\u([0-9a-f]{4})")


def kept(text: str) -> str:
    """What a store keeps of a text."""
    return text if plain(text) else _MARK + _HARD.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def restored(text: str) -> str:
    """The text of which a store kept this."""
    if not text.startswith(_MARK):
        return text
    found = _WRITTEN.sub(lambda written: chr(int(written[1], 16)), text[1:])
    # A row from before this rule may begin with the mark by chance: it is what `kept` would never have made.
    return found if kept(found) == text else text


def plain(text: str) -> bool:
    """Whether a store keeps a text, or several put together, as they are."""
    if "\x00" in text or _MARK in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
