"""The `.avsc` files are the source of truth: the models say the same, and every version reads every other."""

import json
import types
import typing
from importlib import resources
from io import BytesIO
from typing import Any

import pytest
from fastavro import schemaless_reader, schemaless_writer

from schemas import avro_schemas
from schemas.avro_schemas import TYPES, Version, full_name, newest, versions
from schemas.facts import Item, OrderPlaced
from schemas.topics import CATALOGUE, Message
from tests.support.kafka.wire import canonical_form, crc_64_avro

FINGERPRINTS = {
    ("DispatchProduct", 1): "ab6cb671101daa38",
    ("DispatchProduct", 2): "6e9b54ab4254f648",
    ("DispatchProduct", 3): "cb2a00d6bddf3a85",
    ("CapturePayment", 1): "cd11903594982948",
    ("RefundPayment", 1): "d5e832e69b3d2d50",
    ("SendNotification", 1): "e20dd2414c15c796",
    ("OrderPlaced", 1): "47f9c0179810158f",
    ("OrderPlaced", 2): "408d6c9947989c0f",
    ("ProductDispatched", 1): "7a37aa55061a824a",
    ("ProductDispatched", 2): "1bf0604110cbe483",
    ("DispatchRejected", 1): "2b36cd838f462d15",
    ("DispatchRejected", 2): "e06b52e4994dd90d",
    ("DispatchExpired", 1): "3746854c0cf7e4ac",
    ("DispatchExpired", 2): "bbdb724cc2ba5853",
    ("PaymentCaptured", 1): "6abadc2f0de7b6c4",
    ("PaymentFailed", 1): "f35564708cf922a0",
    ("PaymentRefunded", 1): "60246d9197bc6d9b",
    ("RefundFailed", 1): "6593d3f26dbf8ecb",
    ("ModeChanged", 1): "d0c38ce553487813",
    ("ModeChanged", 2): "30f274534179e03d",
    ("TimerDue", 1): "f74edbdfe22e7a4e",
}
ALL = [version for record in TYPES for version in versions(record)]
PYTHON = {"string": str, "long": int, "int": int, "null": types.NoneType}
KEY_ONLY = {"DispatchProduct": {"order_id"}}


def named(version: Version) -> str:
    return f"{version.record.__name__}.v{version.number}"


def fields_of(version: Version) -> list[dict[str, Any]]:
    fields: list[dict[str, Any]] = json.loads(version.text)["fields"]
    return fields


def python_type(avro: Any) -> Any:
    """The annotation that a model's field must have for an Avro type."""
    if isinstance(avro, list):
        return typing.Union[tuple(python_type(branch) for branch in avro)]  # noqa: UP007 - built from a list
    if isinstance(avro, dict) and avro["type"] == "array":
        return types.GenericAlias(tuple, (python_type(avro["items"]), ...))
    if isinstance(avro, dict) and avro["type"] == "record":
        assert avro["name"] == Item.__name__
        return Item
    return PYTHON[avro["type"] if isinstance(avro, dict) else avro]


def python_default(default: Any) -> Any:
    return tuple(default) if isinstance(default, list) else default


def model_fields(record: type[Message]) -> list[str]:
    return [name for name in record._fields if name not in KEY_ONLY.get(record.__name__, ())]


@pytest.mark.parametrize("record", TYPES)
def test_a_model_has_the_fields_of_its_newest_schema_in_the_same_order(record: type[Message]) -> None:
    assert [field["name"] for field in fields_of(newest(record))] == model_fields(record)


@pytest.mark.parametrize("record", TYPES)
def test_a_model_annotates_the_types_of_its_newest_schema(record: type[Message]) -> None:
    annotated = typing.get_type_hints(record)
    wanted = {field["name"]: python_type(field["type"]) for field in fields_of(newest(record))}
    assert {name: annotated[name] for name in model_fields(record)} == wanted


@pytest.mark.parametrize("record", TYPES)
def test_a_model_has_the_defaults_of_its_newest_schema(record: type[Message]) -> None:
    wanted = {
        field["name"]: python_default(field["default"])
        for field in fields_of(newest(record))
        if "default" in field
    }
    assert record._field_defaults == wanted


def test_an_item_has_the_fields_of_its_schema() -> None:
    (items,) = (field for field in fields_of(newest(OrderPlaced)) if field["name"] == "items")
    described = {field["name"]: python_type(field["type"]) for field in items["type"]["items"]["fields"]}
    assert typing.get_type_hints(Item) == described
    assert list(described) == list(Item._fields)


def test_every_file_is_a_version_of_a_known_type_and_numbers_have_no_gap() -> None:
    files = {
        path.name
        for path in resources.files("schemas").joinpath("avro").iterdir()
        if path.name != "__pycache__"
    }
    assert files == {f"{named(version)}.avsc" for version in ALL}
    for record in TYPES:
        assert [version.number for version in versions(record)] == [*range(1, len(versions(record)) + 1)]


def test_every_type_of_the_catalogue_has_a_schema_and_no_schema_is_left_over() -> None:
    assert {record for topic in CATALOGUE for record in topic.records} == set(TYPES)


def test_some_record_has_a_second_version_so_that_compatibility_says_something() -> None:
    assert any(len(versions(record)) > 1 for record in TYPES)


@pytest.mark.parametrize("version", ALL, ids=named)
def test_a_schema_names_its_type_and_describes_every_field(version: Version) -> None:
    schema = json.loads(version.text)
    assert f"{schema['namespace']}.{schema['name']}" == full_name(version.record)
    assert schema["doc"]
    assert all(field["doc"] for field in schema["fields"])


@pytest.mark.parametrize("version", ALL, ids=named)
def test_a_fingerprint_never_changes(version: Version) -> None:
    assert version.fingerprint.hex() == FINGERPRINTS[version.record.__name__, version.number]


def test_the_avro_specifications_own_algorithm_gives_the_same_fingerprints() -> None:
    # Known from the specification's reference: the fingerprint of the schema "null".
    assert crc_64_avro('"null"') == (7195948357588979594).to_bytes(8, "little")
    for version in ALL:
        assert crc_64_avro(canonical_form(json.loads(version.text))) == version.fingerprint


def test_no_two_versions_share_a_fingerprint() -> None:
    assert len({version.fingerprint for version in ALL}) == len(ALL)


def example(record: type[Message], version: Version) -> dict[str, Any]:
    """A value of one version, with every field away from its default."""
    samples: dict[Any, Any] = {str: "text", int: 7, Item: Item("tea", 2, 250)._asdict()}

    def sample(avro: Any) -> Any:
        if isinstance(avro, list):
            return sample(avro[-1])
        if isinstance(avro, dict) and avro["type"] == "array":
            return [sample(avro["items"])]
        return samples[python_type(avro)]

    assert version.record is record
    return {field["name"]: sample(field["type"]) for field in fields_of(version)}


PAIRS = [(writer, reader) for record in TYPES for writer in versions(record) for reader in versions(record)]


@pytest.mark.parametrize(("writer", "reader"), PAIRS, ids=named)
def test_every_version_reads_every_other(writer: Version, reader: Version) -> None:
    value = example(writer.record, writer)
    body = BytesIO()
    schemaless_writer(body, writer.parsed, value)
    body.seek(0)
    read: Any = schemaless_reader(body, writer.parsed, reader.parsed)
    defaults = {field["name"]: field.get("default") for field in fields_of(reader)}
    assert read == {name: value.get(name, default) for name, default in defaults.items()}


def test_parsing_takes_logical_types_out_at_any_depth() -> None:
    parsed = avro_schemas.parse(
        {"type": "record", "name": "R", "fields": [
            {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]},
        ]}
    )  # fmt: skip
    assert "logicalType" not in json.dumps(parsed)
