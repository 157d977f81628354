"""Schemas that refer to types of other schemas become one that defines all it uses. Pure.

Every named type is defined where it is first used and named from then on, so that the checks and the reader
see the whole. A name that no definition explains stays as it is; whoever parses the schema refuses it.

Source: Confluent Schema Registry, "Schema references"; Avro 1.12 specification, "Names".
"""

from collections.abc import Iterable
from typing import Any

MAX_REFERENCES = 100
"""Schemas that one schema may refer to, directly and through others; beyond, it is refused as unresolved."""

_NAMED = ("record", "error", "enum", "fixed")


def inline(schema: Any, definitions: Iterable[Any]) -> Any:
    """A schema with the types that it refers to in it.

    Args:
        schema: as `json.loads` gives it.
        definitions: the schemas that it refers to, and those that they refer to; in any order.
    """
    known: dict[str, tuple[dict[str, Any], str]] = {}
    for definition in definitions:
        _collect(definition, "", known)
    return _Inliner(known).walk(schema, "")


class _Inliner:
    def __init__(self, known: dict[str, tuple[dict[str, Any], str]]) -> None:
        self._known = known
        self._defined: set[str] = set()

    def walk(self, node: Any, namespace: str) -> Any:
        """A type in which every known name is defined once.

        Args:
            node: the type.
            namespace: of the type around it.
        """
        if isinstance(node, str):
            return self._name(node, namespace)
        if isinstance(node, list):
            return [self.walk(branch, namespace) for branch in node]
        if not isinstance(node, dict):
            return node
        if _is_named(node):
            return self._definition(node, namespace)
        return {
            key: self.walk(inner, namespace) if key in ("type", "items", "values") else inner
            for key, inner in node.items()
        }

    def _name(self, name: str, namespace: str) -> Any:
        full = _full(name, namespace)
        if full in self._defined or full not in self._known:
            return name
        node, around = self._known[full]
        own, _, simple = full.rpartition(".")
        return self._definition({**node, "name": simple, "namespace": own}, around)

    def _definition(self, node: dict[str, Any], namespace: str) -> Any:
        full, inside = _names_of(node, namespace)
        if full in self._defined:
            return full
        self._defined.add(full)
        if not isinstance(node.get("fields"), list):
            return node
        fields = [
            {**field, "type": self.walk(field.get("type"), inside)} if isinstance(field, dict) else field
            for field in node["fields"]
        ]
        return {**node, "fields": fields}


def _collect(node: Any, namespace: str, known: dict[str, tuple[dict[str, Any], str]]) -> None:
    """Every definition inside a type, by its full name, with the namespace around it."""
    if isinstance(node, list):
        for branch in node:
            _collect(branch, namespace, known)
    if not isinstance(node, dict):
        return
    inside = namespace
    if _is_named(node):
        full, inside = _names_of(node, namespace)
        known.setdefault(full, (node, namespace))
    for key in ("type", "items", "values", "fields"):
        _collect(node.get(key), inside, known)


def _is_named(node: dict[str, Any]) -> bool:
    return node.get("type") in _NAMED and isinstance(node.get("name"), str)


def _names_of(node: dict[str, Any], namespace: str) -> tuple[str, str]:
    """The full name of a definition, and the namespace inside it."""
    own = node.get("namespace", namespace)
    full = _full(node["name"], own if isinstance(own, str) else namespace)
    return full, full.rpartition(".")[0]


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"
