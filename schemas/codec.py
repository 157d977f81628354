"""Messages to bytes and back: reads either framing, whatever it writes (design §5).

    with a registry      0, schema id (4 bytes, big-endian), body
    without              C3 01, CRC-64-AVRO fingerprint (8 bytes, little-endian), body
    of others            a bare body, its schema's id or GUID in a header of the record

A body is read with its writer's schema and resolved to our newest. The meaning of a value's first bytes is
looked up once per topic and kept: the hot path is one dictionary look-up and one fastavro call.
"""

import json
import struct
from io import BytesIO
from typing import Any, NamedTuple, Protocol

from fastavro import schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from fastavro.schema import SchemaParseException

from schemas import avro_schemas, building, foreign, framing, keys, time_units
from schemas.commands import DispatchProduct
from schemas.envelope import NO_HEADERS, HeaderValues
from schemas.errors import (
    FramedKey,
    MalformedBody,
    NoRegistry,
    NullValue,
    Position,
    TrailingBytes,
    TruncatedBody,
    UnknownFingerprint,
    UnknownSchemaId,
    UnknownType,
)
from schemas.key_schemas import KeySchemas
from schemas.topics import BY_NAME, Message

# What fastavro's readers raise at bytes that are not their schema's; found by flipping bits.
_BROKEN = (
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    MemoryError,
    RecursionError,
    struct.error,
)
_BRIEF = 200
_LAST_OF_NUMBER = 0x7F


class SchemaRegistry(Protocol):
    """What the codec asks of a schema registry."""

    def schema_of(self, schema_id: int) -> str | None:
        """The schema text of an id; None if the registry has no such id.

        Raises:
            RegistryUnreachable: it did not answer.
        """

    def schema_of_guid(self, guid: str) -> str | None:
        """The schema text of a GUID; None if the registry has no such, or knows of no GUIDs.

        Raises:
            RegistryUnreachable: it did not answer.
        """

    def id_of(self, topic: str, record: type[Message]) -> int:
        """The id under which our newest schema of a record is registered for a topic.

        Raises:
            RegistryUnreachable: it did not answer.
            TopicMissing: the schema is not registered.
        """


class _Reader(NamedTuple):
    """How to read every value that begins with the same header on the same topic."""

    writer: Any
    resolve: Any
    build: building.Build
    units: dict[str, time_units.Unit]


class Codec:
    """Encodes and decodes the values of every topic in the catalogue.

    Args:
        registry: a schema registry to write with and to look ids up in; None writes the single-object
            encoding, and then a value in the registry's frame has an unknown id.
    """

    def __init__(self, registry: SchemaRegistry | None = None) -> None:
        self._registry = registry
        self._key_schemas = None if registry is None else KeySchemas(registry.schema_of)
        self._readers: dict[tuple[str, bytes], _Reader] = {}
        self._unusable: dict[tuple[str, bytes], str] = {}
        self._writers: dict[tuple[str, type[Message]], tuple[bytes, Any]] = {}

    def encode(self, topic: str, message: Message) -> bytes:
        """A message as the value of a record on a topic.

        Raises:
            RegistryUnreachable: the registry is configured and did not answer.
            TopicMissing: the schema is not registered; `cev topics create` registers it.
        """
        which = topic, type(message)
        writer = self._writers.get(which)
        if writer is None:
            writer = self._writers[which] = (self._header(*which), avro_schemas.newest(which[1]).parsed)
        body = BytesIO()
        body.write(writer[0])
        schemaless_writer(body, writer[1], building.fields_of(message))
        return body.getvalue()

    def decode(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        position: Position,
        headers: HeaderValues = NO_HEADERS,
    ) -> Message:
        """A record's key and value as a message.

        Args:
            topic: the catalogue topic whose records these are; a retry topic's records belong to its source.
            key: the record's key, as bytes.
            value: the record's value, as bytes.
            position: the record's position, for the error.
            headers: the record's headers by name, which may name the schema.

        Raises:
            UndecodableMessage: one of its subclasses says what is wrong with the bytes.
            RegistryUnreachable: the schema id is new and the registry did not answer.
        """
        number = framing.decode_key(key, position)
        if value is None:
            raise NullValue("the record has no value", position)
        header, start = framing.frame_of(value, headers, position)
        reader = self._readers.get((topic, header))
        if reader is None:
            reader = self._readers[topic, header] = self._first_reader(topic, header, position)
        fields = _read_body(value, start, reader, position)
        if reader.units:
            time_units.convert(fields, reader.units, position)
        message = reader.build(fields, number, position)
        if keys.may_be_framed(number) and type(message) is DispatchProduct:
            self._refuse_frame(number, headers, position)
        return message

    def _refuse_frame(self, number: int, headers: HeaderValues, position: Position) -> None:
        # No value says which order it is, and the registry alone can tell a frame from an ordinary id.
        key = framing.encode_key(number)
        named = framing.schema_header(headers, framing.KEY_SCHEMA) is not None
        bare = keys.bare_number(key) if named else None
        if bare is not None:
            raise FramedKey(
                f"its header {framing.KEY_SCHEMA} says that the key is Avro: order {bare}", position
            )
        if self._key_schemas is not None and (frame := self._key_schemas.frame_of(key)):
            raise FramedKey(keys.display(frame), position)

    def _header(self, topic: str, record: type[Message]) -> bytes:
        if self._registry is None:
            return framing.SINGLE_OBJECT_MAGIC + avro_schemas.newest(record).fingerprint
        return framing.registry_header(self._registry.id_of(topic, record))

    def _first_reader(self, topic: str, header: bytes, position: Position) -> _Reader:
        # A schema never changes under its id, and checking a large one takes as long as a thousand records:
        # the result is kept. That an id is unknown is not kept: it may become known.
        reason = self._unusable.get((topic, header))
        if reason is not None:
            raise UnknownType(reason, position)
        try:
            return self._reader(topic, header, position)
        except UnknownType as error:
            self._unusable[topic, header] = error.what
            raise

    def _reader(self, topic: str, header: bytes, position: Position) -> _Reader:
        allowed = BY_NAME[topic].records
        if len(header) == framing.SINGLE_OBJECT_BYTES:
            return self._ours(topic, header[2:], position)
        schema = self._registered(header, position)
        name = _name_of(schema)
        for record in allowed:
            known_as = {avro_schemas.full_name(record)}
            if record is DispatchProduct:
                known_as.add(avro_schemas.KSQL_RECORD)
            if name in known_as:
                return _reader_of(record, schema, position)
        raise UnknownType(f"a record of type {name}; {topic} carries {_names(allowed)}", position)

    def _ours(self, topic: str, fingerprint: bytes, position: Position) -> _Reader:
        allowed = BY_NAME[topic].records
        for record in avro_schemas.TYPES:
            for version in avro_schemas.versions(record):
                if version.fingerprint == fingerprint:
                    if record not in allowed:
                        raise UnknownType(
                            f"a {record.__name__} on {topic}, which carries {_names(allowed)}", position
                        )
                    return _reader_of(record, json.loads(version.text), position)
        raise UnknownFingerprint(f"no schema of ours has the fingerprint {fingerprint.hex()}", position)

    def _registered(self, header: bytes, position: Position) -> Any:
        by_guid = len(header) == framing.GUID_BYTES
        number: Any = framing.guid_of(header) if by_guid else framing.schema_id_of(header)
        name = f"{'GUID' if by_guid else 'id'} {number}"
        if self._registry is None:
            raise NoRegistry(
                f"schema {name}, and no registry is configured to ask (--schema-registry-url)", position
            )
        text = (self._registry.schema_of_guid if by_guid else self._registry.schema_of)(number)
        if text is None:
            raise UnknownSchemaId(f"the registry has no schema with {name}", position)
        if len(text) > foreign.MAX_TEXT:
            raise UnknownType(f"schema {name} has {len(text):,} characters", position)
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UnknownType(f"schema {name} is not an Avro schema", position) from error


def _read_body(value: bytes, start: int, reader: _Reader, position: Position) -> dict[str, Any]:
    body = BytesIO(value)
    body.seek(start)
    try:
        fields: Any = schemaless_reader(body, reader.writer)
        if reader.resolve is not None and body.tell() == len(value):
            # fastavro skips the fields that we do not know without looking for their end: only a body
            # that was read as it was written may be resolved.
            body.seek(start)
            fields = schemaless_reader(body, reader.writer, reader.resolve)
    except SchemaResolutionError as error:
        raise UnknownType(f"its writer's schema does not fit ours: {_brief(error)}", position) from error
    except (EOFError, *_BROKEN) as error:
        # Inside a number fastavro runs into the end with an IndexError; the number's last byte says so.
        cut = isinstance(error, IndexError) and body.tell() == len(value) and value[-1] > _LAST_OF_NUMBER
        if cut or isinstance(error, EOFError):
            raise TruncatedBody(
                f"the body ends after {len(value) - start} bytes, its schema does not", position
            ) from error
        raise MalformedBody(
            f"the body breaks its schema ({type(error).__name__}: {_brief(error)})", position
        ) from error
    if body.tell() != len(value):
        raise TrailingBytes(f"{len(value) - body.tell()} bytes are left over after the body", position)
    return fields  # type: ignore[no-any-return]  # a record schema always gives a dict


def _reader_of(record: type[Message], schema: Any, position: Position) -> _Reader:
    newest = avro_schemas.newest(record)
    try:
        writer = avro_schemas.parse(schema)
        foreign.check(writer)
        units = time_units.foreign_units(time_units.time_fields(newest.text), schema)
    except (SchemaParseException, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UnknownType(f"its writer's schema cannot be used: {_brief(error)}", position) from error
    # Resolution costs time on every record; the same schema needs none.
    resolve = None if writer == newest.parsed else newest.parsed
    return _Reader(writer, resolve, building.builder_of(record), units)


def _name_of(schema: Any) -> str:
    match schema:
        case {"type": "record", "name": str(name), "namespace": str(namespace)} if (
            namespace and "." not in name
        ):
            return _brief(f"{namespace}.{name}")
        case {"type": "record", "name": str(name)}:
            return _brief(name)
    return "(not a record)"


def _brief(thing: object) -> str:
    # The text ends up in a header of the dead letter and in logs; a hostile schema may be of any length and
    # hold any character, half a pair of surrogates included.
    text = str(thing)[:_BRIEF]
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)[:_BRIEF]


def _names(records: tuple[type[Message], ...]) -> str:
    return " or ".join(record.__name__ for record in records)
