"""The schema registry, asked through confluent-kafka's client.

That client takes a third of a second to load, so it is loaded where a registry is really used.

I/O: HTTP to the registry, with a deadline on every call.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from schemas import avro_schemas
from schemas.errors import RegistryUnreachable, TopicMissing
from schemas.topics import Message

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import Schema

T = TypeVar("T")

_NOT_FOUND = 404
_TIMEOUT_S = 10


class Registry:
    """A Confluent-compatible registry; implements `schemas.codec.SchemaRegistry`.

    Subjects follow TopicRecordNameStrategy, so a schema that ksqlDB keeps under `<topic>-value` is not in
    the way (design §5).

    Args:
        url: the API's base address.
        user, password: basic authentication, or None.
    """

    def __init__(self, url: str, user: str | None = None, password: str | None = None) -> None:
        from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415 - see the module's head

        config: dict[str, object] = {"url": url, "timeout": _TIMEOUT_S, "max.retries": 1}
        if user is not None:
            config["basic.auth.user.info"] = f"{user}:{password or ''}"
        self._url = url
        self._client = SchemaRegistryClient(config)

    def schema_of(self, schema_id: int) -> str | None:
        """The schema text of an id; None if the registry has no such id.

        Raises:
            RegistryUnreachable: it did not answer, or not in a way that decides the question.
        """
        found = self._ask(lambda: self._client.get_schema(schema_id))
        return None if found is None else found.schema_str

    def id_of(self, topic: str, record: type[Message]) -> int:
        """The id of our newest schema of a record, under a topic's subject.

        Raises:
            RegistryUnreachable: it did not answer.
            TopicMissing: the schema is not registered there.
        """
        name = subject(topic, record)
        found = self._ask(lambda: self._client.lookup_schema(name, _schema(avro_schemas.newest(record))))
        if found is None or found.schema_id is None:
            raise TopicMissing(
                f"the registry at {self._url} has no schema for {name}; `cev topics create` registers it"
            )
        return found.schema_id

    def register(self, topic: str, record: type[Message]) -> int:
        """Register every version of a record under a topic, oldest first, as FULL_TRANSITIVE.

        Returns:
            The id of the newest version.

        Raises:
            RegistryUnreachable: it did not answer, or refused; the message carries its words.
        """
        name = subject(topic, record)
        schema_id = None
        for version in avro_schemas.versions(record):
            first = schema_id is None
            schema_id = self._ask(lambda each=version: self._client.register_schema(name, _schema(each)))  # type: ignore[misc]  # the loop's variable, bound now
            if first:
                self._ask(lambda: self._client.set_compatibility(name, "FULL_TRANSITIVE"))
        if schema_id is None:
            raise RegistryUnreachable(f"the schema registry at {self._url} has no place for {name}")
        return schema_id

    def _ask(self, call: Callable[[], T]) -> T | None:
        """The registry's answer; None where it says that there is no such thing."""
        from confluent_kafka.schema_registry.error import SchemaRegistryError  # noqa: PLC0415 - loaded by now
        from httpx import HTTPError  # noqa: PLC0415 - loaded by now

        try:
            return call()
        except SchemaRegistryError as error:
            if error.http_status_code == _NOT_FOUND:
                return None
            raise self._down(error) from error
        except (HTTPError, OSError) as error:
            raise self._down(error) from error

    def _down(self, error: Exception) -> RegistryUnreachable:
        return RegistryUnreachable(f"the schema registry at {self._url} did not do it: {error}")


def subject(topic: str, record: type[Message]) -> str:
    """The subject of a record on a topic: TopicRecordNameStrategy."""
    return f"{topic}-{avro_schemas.full_name(record)}"


def _schema(version: avro_schemas.Version) -> "Schema":
    from confluent_kafka.schema_registry import Schema  # noqa: PLC0415 - loaded by now

    return Schema(version.text, schema_type="AVRO")
