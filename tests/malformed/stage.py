"""The corpus on a real broker: written between good records, read by `cev consume`, and what came of it.

I/O: Kafka, a schema registry, SQLite files, a child process.
"""

import json
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any

import psutil  # type: ignore[import-untyped]  # it ships no types
from confluent_kafka import KafkaException
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from consumers.registry import named
from schemas.codec import Codec
from schemas.errors import Position
from schemas.registry import Registry
from schemas.topics import CATALOGUE, DISPATCH_PRODUCTS, DISPATCH_RESULTS
from tests.malformed.case import NOTHING, SHADOW, Case
from tests.support.consumers.harness import ConsumerHarness
from tests.support.kafka.log import Seen, until
from tests.support.program import Program, Started

FIRST_GOOD = 1_000_000
_PATIENCE_S = 200.0


class Stage:
    """A broker with a registry on which the corpus is played.

    Args:
        shop: the broker's empty log, and a data directory.
        registry: the registry's URL.
    """

    def __init__(self, shop: ConsumerHarness, registry: str) -> None:
        self.shop = shop
        self._registry = registry
        self._ids: dict[str, int] = {}
        self._program = Program(
            shop.data_dir,
            CEV_BOOTSTRAP_SERVERS=shop.bootstrap,
            CEV_SCHEMA_REGISTRY_URL=registry,
            # glibc gives every thread an arena of its own and returns little of them: what a process holds
            # would say more about its threads than about what it keeps.
            MALLOC_ARENA_MAX="1",
        )
        with Registry(registry) as ours:
            for topic in CATALOGUE:
                for record in topic.records:
                    ours.register(topic.name, record)

    def register(self, cases: Iterable[Case]) -> None:
        """Keep the cases' schemas at the registry, as somebody else would."""
        with SchemaRegistryClient({"url": self._registry, "timeout": 20}) as theirs:
            for number, schema in enumerate({case.schema: None for case in cases if case.schema}):
                self._ids[schema] = theirs.register_schema(f"hostile-{number}", Schema(schema, "AVRO"))

    def write(self, cases: Sequence[Case], *, good: bool) -> list[Position]:
        """Write records, each behind a good one of its topic if asked for; where each lies."""
        found: dict[int, Position] = {}
        for number, case in enumerate(cases):
            if good:
                self._write_good(FIRST_GOOD + number, case.topic)
            self._produce(case, partial(_note, found, number))
        self.shop.flush()
        assert len(found) == len(cases)
        return [found[number] for number in range(len(cases))]

    def _write_good(self, order_id: int, topic: str) -> None:
        if topic == DISPATCH_PRODUCTS:
            self.shop.command(order_id)
        else:
            self.shop.fact(order_id, customer="Ben", email="ben@example.org")

    def value(self, case: Case) -> bytes | None:
        """A record's value with the id that the registry gave its schema."""
        return case.value(None if case.schema is None else self._ids[case.schema])

    def _produce(self, case: Case, note: Callable[[Any, Any], None]) -> None:
        value = self.value(case)
        while True:
            try:
                self.shop.producer.produce(
                    case.topic, value, case.key, headers=list(case.headers), on_delivery=note
                )
            except BufferError:
                self.shop.producer.poll(0.1)
            else:
                self.shop.producer.poll(0)
                return

    def consume(self, *groups: str) -> AbstractContextManager[Started]:
        """`cev consume`, for a block."""
        self.shop.flush()
        return self._program.started("consume", *groups)

    def ran(self, *words: str) -> str:
        """What a command of ours prints on stdout; it ends with 0, or with 1 for what it found."""
        ended = self._program.run(*words, seconds=_PATIENCE_S)
        assert ended.returncode in (0, 1), ended.stderr
        return ended.stdout

    def until_read(self, started: Started, *groups: str) -> None:
        """Wait until groups have committed everything; a process that ended fails the test."""

        def read() -> bool:
            assert started.process.poll() is None, started.said[-4_000:]
            # A broker that was started a moment ago may not know its coordinators yet.
            with suppress(KafkaException):
                return all(self.shop.lag(group, named(group).reads) == 0 for group in groups)
            return False

        until(read, f"{groups} read everything", _PATIENCE_S)

    # -- what came of it -----------------------------------------------------------------------------------

    def dead(self, group: str) -> dict[Position, Seen]:
        """A group's dead letters by the position that they came from; each once."""
        found: dict[Position, Seen] = {}
        for topic in named(group).reads:
            for seen in self.shop.read(f"{group}.{topic}.dlq"):
                origin = _origin(seen)
                assert origin not in found, origin
                found[origin] = seen
        return found

    def ends(self, group: str) -> dict[Position, str]:
        """How records ended, by position, as the group's store and its dead letters say."""
        ends: dict[Position, list[str]] = defaultdict(list)
        for where, seen in self.dead(group).items():
            name = (seen.header("kafka_dlt-exception-fqcn") or b"").decode().rpartition(".")[2]
            ends[where].append(f"dead letter: {name}")
        place = "SELECT source_topic, source_partition, source_offset"
        for topic, number, offset, outcome, detail in self.shop.rows(
            group, f"{place}, outcome, detail FROM effects"
        ):
            told = f"{outcome}: {detail}" if outcome == "rejected" else outcome
            ends[Position(topic, number, offset)].append(told)
        for row in self.shop.rows(group, f"{place} FROM shadow_decisions"):
            ends[Position(*row)].append(SHADOW)
        return defaultdict(lambda: NOTHING, {where: ", ".join(told) for where, told in ends.items()})

    def results(self) -> list[tuple[int, str]]:
        """Order id and type of every result, as often as it is there."""
        with Registry(self._registry) as registry:
            codec = Codec(registry)
            messages = [
                codec.decode(DISPATCH_RESULTS, seen.key, seen.value, Position(*seen[:3]))
                for seen in self.shop.read(DISPATCH_RESULTS)
            ]
        return [(message[0], type(message).__name__) for message in messages]


def _note(found: dict[int, Position], number: int, error: Any, message: Any) -> None:
    assert error is None, error
    found[number] = Position(message.topic(), message.partition(), message.offset())


def _origin(seen: Seen) -> Position:
    topic, partition, offset = (
        seen.header(f"kafka_dlt-original-{name}") or b"" for name in ("topic", "partition", "offset")
    )
    return Position(topic.decode(), struct.unpack(">i", partition)[0], struct.unpack(">q", offset)[0])


def memory(started: Started) -> int:
    """Bytes of memory that a process holds."""
    return int(psutil.Process(started.process.pid).memory_info().rss)


def documents(printed: str) -> list[dict[str, Any]]:
    """The JSON documents of an output, a line each."""
    return [json.loads(line) for line in printed.split("\n") if line]
