"""The loops that ours is measured beside: what one would write with the client alone.

`raw_loop` reads and decodes; `hand_written_loop` also writes the rows that our stores have, in bulk, and
the results, and commits after each batch. Neither looks for duplicates, keeps results for a second try, sets
aside what cannot be read, or uses transactions in Kafka: after a crash both would do things twice.

I/O: Kafka, SQLite, PostgreSQL.
"""

import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from io import BytesIO
from typing import Any

import psycopg
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from fastavro import schemaless_reader

from benchmarks.harness.child import peak_mib
from benchmarks.harness.runs import Run
from benchmarks.orders import warm_producer
from clients.config import Cluster
from schemas import avro_schemas
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.errors import OperationFailed
from schemas.facts import OrderPlaced, ProductDispatched
from schemas.framing import SINGLE_OBJECT_BYTES, encode_key
from schemas.times import now_ms
from schemas.topics import DISPATCH_PRODUCTS, DISPATCH_RESULTS

BATCH = 2_000
_POLL_S = 0.1
_SILENCE_S = 30.0
_TABLE = """
CREATE TABLE effects (
    order_id BIGINT, effect TEXT, outcome TEXT NOT NULL, input TEXT, detail TEXT, via TEXT NOT NULL,
    message_id TEXT NOT NULL, source_topic TEXT NOT NULL, source_partition INTEGER NOT NULL,
    source_offset BIGINT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (order_id, effect)
)
"""
Row = tuple[Any, ...]
Insert = Callable[[Sequence[Row]], None]


class BatchReader:
    """A group's only member, which hands over what there is, batch by batch.

    Attributes:
        began: when its partitions were assigned, of `time.perf_counter`.
    """

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self.began = 0.0
        self.group = f"bench-{uuid.uuid4().hex}"
        self.consumer = Consumer(cluster.consumer(self.group))
        self.consumer.subscribe([topic], on_assign=self._assigned)

    def batches(self, records: int) -> Iterator[list[Message]]:
        """Batches until so many records were handed over; an offset is committed by the caller.

        Raises:
            OperationFailed: a record cannot be read, or none comes any more.
        """
        seen, heard_at = 0, time.monotonic()
        while seen < records:
            message = self.consumer.poll(_POLL_S)
            batch = [] if message is None else [message, *self.consumer.consume(BATCH - 1, 0)]
            batch = [record for record in batch if not _is_end(record)]
            if batch:
                seen, heard_at = seen + len(batch), time.monotonic()
                yield batch
            elif time.monotonic() - heard_at > _SILENCE_S:
                raise OperationFailed(f"{seen} of {records} records came")

    def commit(self, batch: Sequence[Message], *, wait: bool) -> None:
        """Commit what lies behind a batch."""
        offsets: dict[int, int] = {}
        for record in batch:
            offsets[record.partition() or 0] = (record.offset() or 0) + 1
        topic = str(batch[0].topic())
        behind = [TopicPartition(topic, number, offset) for number, offset in offsets.items()]
        if wait:
            self.consumer.commit(offsets=behind, asynchronous=False)
        else:
            self.consumer.commit(offsets=behind, asynchronous=True)

    def run(self, *, expected: int, completed: int) -> Run:
        """The run that ends now; leaves the group."""
        seconds = time.perf_counter() - self.began
        self.consumer.close()
        return rated(expected=expected, completed=completed, seconds=seconds)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if partitions and not self.began:
            self.began = time.perf_counter()
        # As our members do: to look for the beginning would cost half a second.
        for partition in partitions:
            partition.offset = 0
        consumer.incremental_assign(partitions)


def rated(*, expected: int, completed: int, seconds: float) -> Run:
    """A run of this process that did so much in so many seconds."""
    figures = {
        "orders/s": completed / seconds,
        "µs/order": seconds * 1e6 / max(1, completed),
        "peak MiB": peak_mib(),
    }
    return Run(expected=expected, completed=completed, figures=figures)


def decoder(topic: str) -> Callable[[bytes], dict[str, Any]]:
    """Reads the values of a topic as fastavro hands them over: dictionaries, unchecked."""
    schema = avro_schemas.newest(DispatchProduct if topic == DISPATCH_PRODUCTS else OrderPlaced).parsed

    def decode(value: bytes) -> dict[str, Any]:
        body = schemaless_reader(BytesIO(value[SINGLE_OBJECT_BYTES:]), schema, None)
        assert isinstance(body, dict)  # noqa: S101 - both schemas are records
        return body

    return decode


def order_id_of(record: Message) -> int:
    """The order id in a record's key."""
    return int.from_bytes(record.key() or b"", "big", signed=True)


def raw_loop(cluster: Cluster, topic: str, orders: int) -> Run:
    """Read, decode, commit."""
    reader, decode, order_ids = BatchReader(cluster, topic), decoder(topic), set()
    batch: list[Message] = []
    for batch in reader.batches(orders):
        for record in batch:
            decode(record.value() or b"")
            order_ids.add(order_id_of(record))
        reader.commit(batch, wait=False)
    reader.commit(batch, wait=True)
    return reader.run(expected=orders, completed=len(order_ids))


def hand_written_loop(cluster: Cluster, topic: str, orders: int, url: str) -> Run:
    """Read, decode, insert in bulk, write results, commit; the table is made before, in an empty database."""
    # Before the group is joined, which starts the clock.
    producer = warm_producer(cluster)
    reader, decode, codec = BatchReader(cluster, topic), decoder(topic), Codec()
    warehouse = topic == DISPATCH_PRODUCTS
    connection, insert = inserter(url)
    with closing(connection):
        for batch in reader.batches(orders):
            bodies = [decode(record.value() or b"") for record in batch]
            make = _dispatched if warehouse else _counted
            insert([make(body, record) for body, record in zip(bodies, batch, strict=True)])
            if warehouse:
                for body, record in zip(bodies, batch, strict=True):
                    _report(producer, codec, order_id_of(record), body["address"])
                if producer.flush(_SILENCE_S):
                    raise OperationFailed("the broker did not take every result")
            reader.commit(batch, wait=True)
        rows = connection.execute("SELECT count(*) FROM effects").fetchone()
        return reader.run(expected=orders, completed=int(rows[0]) if rows else 0)


def inserter(url: str) -> tuple[Any, Insert]:
    """A connection to an empty database, with the table, and what inserts rows there in one transaction."""
    if url.startswith("sqlite:///"):
        sqlite = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        sqlite.execute("PRAGMA journal_mode=WAL")
        sqlite.execute("PRAGMA synchronous=FULL")
        sqlite.execute(f"{_TABLE} WITHOUT ROWID")

        def into_sqlite(rows: Sequence[Row]) -> None:
            sqlite.execute("BEGIN IMMEDIATE")
            sqlite.executemany(f"INSERT INTO effects VALUES ({', '.join('?' * 11)})", rows)  # noqa: S608 - marks alone
            sqlite.execute("COMMIT")

        return sqlite, into_sqlite
    postgres = psycopg.connect(url, autocommit=True)
    postgres.execute(_TABLE)

    def into_postgres(rows: Sequence[Row]) -> None:
        with postgres.transaction(), postgres.cursor() as cursor:
            cursor.executemany(f"INSERT INTO effects VALUES ({', '.join(['%s'] * 11)})".encode(), rows)  # noqa: S608 - the same

    return postgres, into_postgres


def _counted(body: dict[str, Any], record: Message) -> Row:
    lines = [
        [item["product"], item["quantity"], item["quantity"] * item["unit_price_cents"]]
        for item in body["items"]
    ]
    detail = json.dumps({"placed_at": body["placed_at"], "currency": body["currency"], "lines": lines})
    return _row(record, ("sale", "counted", json.dumps(lines), detail, "fact"))


def _dispatched(body: dict[str, Any], record: Message) -> Row:
    return _row(record, ("dispatch", "dispatched", body["address"], None, "command"))


def _row(record: Message, effect: Row) -> Row:
    headers = dict(record.headers() or [])
    message_id = str(headers.get("ce_id") or b"", "utf-8")  # type: ignore[arg-type]  # read headers are bytes
    position = record.topic(), record.partition(), record.offset()
    return (order_id_of(record), *effect, message_id, *position, now_ms())


def _report(producer: Producer, codec: Codec, order_id: int, address: str) -> None:
    value = codec.encode(DISPATCH_RESULTS, ProductDispatched(order_id, address, now_ms()))
    headers: list[tuple[str, str | bytes | None]] = [
        ("ce_specversion", "1.0"),
        ("ce_id", uuid.uuid4().hex),
        ("ce_type", "command_event.ProductDispatched"),
        ("ce_source", "cev/warehouse"),
    ]
    while True:
        try:
            producer.produce(DISPATCH_RESULTS, value, encode_key(order_id), headers=headers)
        except BufferError:
            producer.poll(_POLL_S)
        else:
            producer.poll(0)
            return


def _is_end(record: Message) -> bool:
    error = record.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's local code
        return True
    raise OperationFailed(f"a record cannot be read: {error}")
