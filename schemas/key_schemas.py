"""Which schema ids in keys stand for numbers, as the registry says: then the key is framed (see `keys`).

I/O: through the function that it is given.
"""

import json
from collections.abc import Callable
from time import monotonic

from schemas import keys

UNKNOWN_S = 5.0
"""So long an id that the registry does not know is not asked for again. Its ranges hold ordinary order ids,
which must not become a question each; and a serializer registers its schema before its first record."""
_MAX_KNOWN = 10_000


class KeySchemas:
    """What a registry says about the schema ids that keys seem to name.

    Args:
        schema_of: the schema text of an id, None where there is no such id; may raise `RegistryUnreachable`.
    """

    def __init__(self, schema_of: Callable[[int], str | None]) -> None:
        self._schema_of = schema_of
        self._known: dict[int, object] = {}
        self._unknown_until: dict[int, float] = {}

    def frame_of(self, key: bytes) -> keys.KeyFrame | None:
        """The frame of a key, if its schema is one of numbers.

        Raises:
            RegistryUnreachable: the schema id is new and the registry did not answer.
        """
        frame = keys.framed(key)
        if frame is None:
            return None
        schema = self._known.get(frame.schema_id)
        if schema is None:
            schema = self._ask(frame.schema_id)
        return frame if keys.is_of(frame, schema) else None

    def _ask(self, schema_id: int) -> object:
        now = monotonic()
        if now < self._unknown_until.get(schema_id, 0):
            return None
        text = self._schema_of(schema_id)
        if len(self._known) + len(self._unknown_until) > _MAX_KNOWN:
            self._known.clear()
            self._unknown_until.clear()
        if text is None:
            self._unknown_until[schema_id] = now + UNKNOWN_S
            return None
        schema = self._known[schema_id] = _number_schema(text)
        return schema


def _number_schema(text: str) -> object:
    """The schema, if it is as small as one of a number; else a name that stands for no number."""
    try:
        return json.loads(text) if len(text) < keys.MAX_SCHEMA_TEXT else "other"
    except (ValueError, RecursionError):
        return "other"
