"""The schema registry, asked through confluent-kafka's client.

That client takes a third of a second to load, so it is loaded where a registry is really used.

I/O: HTTP to the registry, with a deadline on every call.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

from schemas import avro_schemas, references
from schemas.addresses import shown, without_secrets, without_user
from schemas.errors import InvalidSetting, RegistryUnreachable, SchemaRefused, TopicMissing
from schemas.topics import Message

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import Schema

T = TypeVar("T")

# Confluent's API reference: 40401 subject, 40402 version, 40403 schema not found. A bare 404 is a proxy's
# or a wrong address, and says nothing about a schema.
_NOT_FOUND = (40401, 40402, 40403)
# What a registry that knows of no GUIDs, such as Apicurio, says to the question; of an id it would be a wrong
# address.
_NO_SUCH_PATH = 404
_INCOMPATIBLE, _INVALID = 409, 422
_MAX_ID = 2**31 - 1
_TIMEOUT_S = 10


class Registry:
    """A Confluent-compatible registry; implements `schemas.codec.SchemaRegistry`.

    Subjects follow TopicRecordNameStrategy, so a schema that ksqlDB keeps under `<topic>-value` is not in
    the way (design §5).

    Args:
        url: the API's base address.
        user, password: basic authentication, or None if the address names the user.

    Raises:
        InvalidSetting: the client refuses the address, or a user is given twice.
    """

    def __init__(self, url: str, user: str | None = None, password: str | None = None) -> None:
        from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415 - see the module's head

        # The client's HTTP library logs the address of every request.
        address, user_info = without_user(url) if user is None else (url, f"{user}:{password or ''}")
        config: dict[str, object] = {"url": address, "timeout": _TIMEOUT_S, "max.retries": 1}
        if user_info is not None:
            config["basic.auth.user.info"] = user_info
        self._url = url
        self._shown_url = shown(url, with_path=True)
        try:
            self._client = SchemaRegistryClient(config)
        except ValueError:
            # The client's message repeats the address.
            raise InvalidSetting(
                f"schema_registry_url {self._shown_url} cannot be used: it is http://… or https://…, and the "
                "user stands in it or in schema_registry_user"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connections that the client keeps."""
        self._client.close()

    def schema_of(self, schema_id: int) -> str | None:
        """The schema text of an id; None if the registry has no such id.

        Types that it refers to are defined in it; one that the registry has not stays a name.

        Raises:
            RegistryUnreachable: it did not answer, or not in a way that decides the question.
        """
        if schema_id > _MAX_ID:
            # Registries count in Java's int: no such id was ever given out, and asking ends in a bare 404.
            return None
        name = f"schema id {schema_id}"
        return self._text(name, self._ask(name, lambda: self._client.get_schema(schema_id)))

    def schema_of_guid(self, guid: str) -> str | None:
        """The schema text of a GUID; None if the registry has no such, or is one that knows of no GUIDs.

        Raises:
            RegistryUnreachable: it did not answer, or not in a way that decides the question.
        """
        name = f"schema GUID {guid}"
        ask = partial(self._client.get_schema_by_guid, guid)
        return self._text(name, self._ask(name, ask, any_404=True))

    def _text(self, name: str, schema: "Schema | None") -> str | None:
        if schema is not None and not schema.schema_str:
            raise self._down(ValueError(f"it knows {name} and shows no schema"))
        if schema is None or not schema.references or schema.schema_type not in (None, "AVRO"):
            return None if schema is None else schema.schema_str
        return self._with_references(schema)

    def id_of(self, topic: str, record: type[Message]) -> int:
        """The id of our newest schema of a record, under a topic's subject.

        Raises:
            RegistryUnreachable: it did not answer.
            TopicMissing: the schema is not registered there.
        """
        name = subject(topic, record)
        registered = self._ask(
            name, lambda: self._client.lookup_schema(name, _schema(avro_schemas.newest(record)))
        )
        if registered is None:
            raise TopicMissing(
                f"the registry at {self._shown_url} has no schema for {name}; "
                "`cev topics create` registers it"
            )
        if registered.schema_id is None:
            raise self._down(ValueError(f"it knows {name} and names no id"))
        return registered.schema_id

    def register(self, topic: str, record: type[Message]) -> int:
        """Register every version of a record under a topic, oldest first, as FULL_TRANSITIVE.

        Returns:
            The id of the newest version.

        Raises:
            RegistryUnreachable: it did not answer, or not in a way that decides the question.
            SchemaRefused: somebody else's schema under our subject is not compatible with ours.
        """
        name = subject(topic, record)
        schema_id = None
        for version in avro_schemas.versions(record):
            first = schema_id is None
            schema_id = self._ask(name, partial(self._client.register_schema, name, _schema(version)))
            if first:
                self._keep_compatible(name)
        if schema_id is None:
            raise RegistryUnreachable(f"the schema registry at {self._shown_url} has no place for {name}")
        return schema_id

    def _with_references(self, schema: "Schema") -> str:
        texts: dict[tuple[str, int], str] = {}
        self._fetch_references(schema, texts)
        text = schema.schema_str or ""
        try:
            inlined = references.inline(json.loads(text), [json.loads(other) for other in texts.values()])
            return json.dumps(inlined)
        except (ValueError, RecursionError):
            return text  # whoever parses it says what is wrong with it

    def _fetch_references(self, schema: "Schema", texts: dict[tuple[str, int], str]) -> None:
        """Fetch what a schema refers to, and what that refers to, each once."""
        for reference in schema.references or ():
            subject_name, version = reference.subject, reference.version
            if subject_name is None or version is None or (subject_name, version) in texts:
                continue
            if len(texts) >= references.MAX_REFERENCES:
                return
            registered = self._ask(
                f"{subject_name} version {version}",
                partial(self._client.get_version, subject_name, version, deleted=True),
            )
            answered = None if registered is None else registered.schema
            texts[subject_name, version] = (answered and answered.schema_str) or "null"
            if answered is not None:
                self._fetch_references(answered, texts)

    def _keep_compatible(self, name: str) -> None:
        def ask() -> object:
            return self._client.set_compatibility(name, "FULL_TRANSITIVE")

        try:
            self._ask(name, ask)
        except SchemaRefused:
            # Apicurio answers so when another client makes the same rule at the same moment; then the rule is
            # there.
            self._ask(name, ask)

    def _ask(self, name: str, call: Callable[[], T], *, any_404: bool = False) -> T | None:
        """The registry's answer; None where it says that there is no such thing.

        Args:
            name: what is asked for, for the error.
            call: asks.
            any_404: whether a bare 404 says so too.
        """
        from confluent_kafka.schema_registry.error import SchemaRegistryError  # noqa: PLC0415 - loaded by now

        try:
            return call()
        except SchemaRegistryError as error:
            if error.error_code in _NOT_FOUND or (any_404 and error.http_status_code == _NO_SUCH_PATH):
                return None
            if error.http_status_code in (_INCOMPATIBLE, _INVALID):
                raise SchemaRefused(
                    f"the schema registry at {self._shown_url} refuses {name}: {self._reason(error)}"
                ) from error
            raise self._down(error) from error
        except Exception as error:
            # The client lets errors of httpx or httpx2 through, whichever is installed, and what its own
            # parsing makes of a proxy's page.
            raise self._down(error) from error

    def _down(self, error: Exception) -> RegistryUnreachable:
        return RegistryUnreachable(
            f"the schema registry at {self._shown_url} did not do it: {self._reason(error)}"
        )

    def _reason(self, error: Exception) -> str:
        # The client's errors may name the address.
        return without_secrets(self._url, error)[:300] or type(error).__name__


def subject(topic: str, record: type[Message]) -> str:
    """The subject of a record on a topic: TopicRecordNameStrategy."""
    return f"{topic}-{avro_schemas.full_name(record)}"


def _schema(version: avro_schemas.Version) -> "Schema":
    from confluent_kafka.schema_registry import Schema  # noqa: PLC0415 - loaded by now

    return Schema(version.text, schema_type="AVRO")
