"""One value of JSON in a text. Pure."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from producers.bulk.row import damaged_at

_NEAR_END = 12
"""Characters of the longest token that can be cut, an escaped pair of surrogates."""


class NotJson(Exception):
    """There is no value where one was looked for.

    Args:
        reason: for a person.
        incomplete: the text ends in the middle of a value.
    """

    def __init__(self, reason: str, *, incomplete: bool) -> None:
        super().__init__(reason)
        self.incomplete = incomplete


class Value(NamedTuple):
    """One value.

    Attributes:
        end: where the text goes on behind it.
        fields: its names and values; None if it is no usable object.
        fault: why it is none.
    """

    end: int
    fields: Mapping[str, Any] | None
    fault: str = ""


def decode(text: str, at: int = 0) -> Value:
    """Decode the value that a text has at a position.

    Raises:
        NotJson: there is none.
    """
    twice: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) != len(pairs):
            names = [name for name, _ in pairs]
            twice.append(next(name for name in names if names.count(name) > 1))
        return fields

    try:
        value, end = json.JSONDecoder(object_pairs_hook=once).raw_decode(text, at)
    except json.JSONDecodeError as error:
        cut = error.msg.startswith("Unterminated") or error.pos >= len(text.rstrip()) - _NEAR_END
        raise NotJson(f"not JSON at column {error.colno}: {error.msg}", incomplete=cut) from None
    except (ValueError, RecursionError) as error:
        # Numbers of more than 4300 digits, or lists nested too deeply.
        raise NotJson(f"not usable JSON: {error}", incomplete=False) from None
    damage = damaged_at(text[at:end])
    if damage is not None:
        byte = len(text[at : at + damage].encode(errors="surrogateescape")) + 1
        return Value(
            end, None, f"byte {byte} of the line is not UTF-8, or not in the encoding that was named"
        )
    if twice:
        return Value(end, None, f"{twice[0]!r} is there twice")
    if not isinstance(value, dict):
        return Value(end, None, "not a JSON object")
    return Value(end, value)
