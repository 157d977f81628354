"""Which schemas of others are safe to read with.

A writer's schema comes from a registry that others write to, and fastavro follows it wherever it leads. A
schema that contains itself recurses in C and ends the process with SIGSEGV; an array of nulls counts to
2**63 in a body of ten bytes; records of records of nothing double the work at every level. None of them is
an order, and each would be an outage, so they are refused before the first body is read.

Pure: looks at schemas, never at a body.
"""

from typing import Any

STEPS_PER_BYTE = 4
"""Values that one byte of a body may stand for; a nullable column costs two steps and has one byte."""

MAX_FREE_STEPS = 1_000
"""Values that a whole record may hold without any byte of its own."""

MAX_TEXT = 1_000_000
"""Characters of a schema's text. Registries keep schemas in Kafka records of a megabyte by default; a wider
one takes a second to check, and part of that again at every record."""

MAX_DEPTH = 64
"""Levels of nesting; the reader's recursion in C is as deep as the schema."""


class UnsafeSchema(ValueError):
    """Reading with this schema could crash the process, or take all its memory or time."""


def check(parsed: Any) -> None:
    """Refuse a schema whose bodies can cost more than their bytes pay for.

    Args:
        parsed: what `avro_schemas.parse` returned: names are full, and each is defined before it is used.

    Raises:
        UnsafeSchema: in one sentence, why.
    """
    free = _Costs().free_steps(parsed, 0)
    if free > MAX_FREE_STEPS:
        raise UnsafeSchema(f"a value can take {free} steps that no byte of its body pays for")


class _Costs:
    """Computes the cost of every type once: a name that is used again costs what its definition costs."""

    def __init__(self) -> None:
        self._known: dict[str, int | None] = {}

    def free_steps(self, node: Any, depth: int) -> int:
        """The most steps that a value of this type takes beyond what its own bytes pay for."""
        if depth > MAX_DEPTH:
            raise UnsafeSchema(f"it nests more than {MAX_DEPTH} levels deep")
        if isinstance(node, list):
            return _PAID + max((self.free_steps(branch, depth + 1) for branch in node), default=0)
        if isinstance(node, str):
            return self._named(node)
        kind = node["type"]
        if kind in ("record", "error"):
            return self._record(node, depth)
        if kind in ("array", "map"):
            return self._block(node["items" if kind == "array" else "values"], kind, depth)
        if kind in ("enum", "fixed"):
            self._known[node["name"]] = free = self._leaf(node)
            return free
        return self.free_steps(kind, depth + 1)

    def _named(self, name: str) -> int:
        if name == "null":
            return 1
        free = self._known.get(name, _PAID)
        if free is None:
            raise UnsafeSchema(f"{name[:80]} contains itself")
        return free

    def _record(self, node: dict[str, Any], depth: int) -> int:
        name = node["name"]
        self._known[name] = None
        free = 1 + sum(self.free_steps(field["type"], depth + 1) for field in node["fields"])
        self._known[name] = free
        return free

    def _block(self, element: Any, kind: str, depth: int) -> int:
        # A map's element brings the bytes of its key.
        free = self.free_steps(element, depth + 1) + (_PAID if kind == "map" else 0)
        if free > 0:
            raise UnsafeSchema(f"the elements of its {kind} take more steps than their bytes pay for")
        return _PAID

    def _leaf(self, node: dict[str, Any]) -> int:
        if node["type"] == "enum":
            return _PAID
        size = node["size"]
        if not isinstance(size, int) or size < 0:
            raise UnsafeSchema(f"a fixed type of {str(size)[:80]} bytes")
        return _PAID if size else 1


_PAID = 1 - STEPS_PER_BYTE
