"""The unit of each time in a schema of others, and the way to our milliseconds. Pure.

A reader that ignores logical types takes microseconds for the year 9999 and a number of days for the first
minute of 1970. So what the writer's schema says of a time of ours counts: Avro's logical type, or the name
that Kafka Connect and Debezium give. A plain long is milliseconds, as our own schemas say. Where the unit is
unknown, or is no moment (a local time, a time of day), nobody can read the record.

Sources: Avro 1.12 specification, "Logical Types"; Debezium, "Temporal values" (without a zone, as UTC).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from schemas.errors import MalformedBody, Position

_DAY_MS = 86_400_000
_INT = range(-(2**31), 2**31)
_MILLIS = "timestamp-millis"
_DEADLINES = ("dispatch_before", "deadline")


class Unit(NamedTuple):
    """A time's unit: so many milliseconds, or parts of one, make one of it.

    Attributes:
        ms: milliseconds of one unit, where it is longer; else 1.
        parts: units of one millisecond, where it is shorter; else 1.
    """

    ms: int = 1
    parts: int = 1


_MS, _DAYS = Unit(), Unit(ms=_DAY_MS)
_UNITS: Mapping[tuple[str, str | None], Unit] = {
    ("long", None): _MS,
    ("long", _MILLIS): _MS,
    ("long", "timestamp-micros"): Unit(parts=1_000),
    ("long", "timestamp-nanos"): Unit(parts=1_000_000),
    ("int", "date"): _DAYS,
    ("long", "org.apache.kafka.connect.data.Timestamp"): _MS,
    ("int", "org.apache.kafka.connect.data.Date"): _DAYS,
    ("long", "io.debezium.time.Timestamp"): _MS,
    ("long", "io.debezium.time.MicroTimestamp"): Unit(parts=1_000),
    ("long", "io.debezium.time.NanoTimestamp"): Unit(parts=1_000_000),
    ("int", "io.debezium.time.Date"): _DAYS,
}


class UnknownUnit(ValueError):
    """A time of ours has a unit in the writer's schema that nobody can convert; the text names the field."""


def time_fields(text: str) -> tuple[str, ...]:
    """The names of the times in a schema of ours, given as JSON."""
    return tuple(
        field["name"]
        for field in json.loads(text)["fields"]
        if any(meaning == _MILLIS for _, meaning in _numbers(field["type"], None))
    )


def foreign_units(names: tuple[str, ...], schema: Any) -> dict[str, Unit]:
    """The units of times that are not our milliseconds.

    Args:
        names: the times that are looked for.
        schema: the writer's, a record, as `json.loads` gives it.

    Raises:
        UnknownUnit: one of them cannot be converted.
    """
    fields = schema.get("fields")
    units: dict[str, Unit] = {}
    for field in fields if isinstance(fields, list) else ():
        if isinstance(field, dict) and field.get("name") in names:
            unit = _unit_of(field)
            if unit != _MS:
                units[field["name"]] = unit
    return units


def convert(fields: dict[str, Any], units: Mapping[str, Unit], position: Position) -> None:
    """Convert the times of a body to milliseconds, in place; a part of one is dropped.

    Raises:
        MalformedBody: a number of days is no Avro int.
    """
    for name, unit in units.items():
        value = fields.get(name)
        if value is None:
            continue
        if unit is _DAYS and value not in _INT:
            raise MalformedBody(f"the day {value} of {name} is no Avro int", position)
        fields[name] = value * unit.ms // unit.parts


def _unit_of(field: dict[str, Any]) -> Unit:
    name, numbers = field["name"], set(_numbers(field.get("type"), field.get("logicalType")))
    units = {_UNITS.get(number) for number in numbers}
    if not units:
        return _MS  # no number at all: what fastavro says of it is plain enough
    unit = units.pop()
    if unit is None or units:
        kinds = " or ".join(sorted(f"{base} ({meaning or 'no logical type'})" for base, meaning in numbers))
        raise UnknownUnit(f"{name}: no moment is known of {kinds}")
    if unit is _DAYS and name in _DEADLINES:
        raise UnknownUnit(f"{name}: a day is no deadline, without a zone and an hour")
    return unit


def _numbers(node: Any, meaning: Any) -> Iterator[tuple[str, str | None]]:
    """The whole numbers that a type may be, each with what it means.

    Args:
        node: a type.
        meaning: what is said around it; counts where the type itself says nothing.
    """
    match node:
        case list():
            for branch in node:
                yield from _numbers(branch, meaning)
        case {"type": inner}:
            yield from _numbers(inner, node.get("logicalType") or node.get("connect.name") or meaning)
        case "int" | "long":
            yield node, None if meaning is None else str(meaning)[:80]
