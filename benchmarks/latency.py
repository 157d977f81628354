"""From written to effect durable at a steady rate, beside a raw poll loop.

A watcher of its own process sees when an effect is in the store: a row that another connection can read has
been synchronised to the disk. It looks every half millisecond, which is how exact the figures are.

I/O: Kafka, a store in a SQLite file.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from confluent_kafka import Producer

from benchmarks.effects import OURS
from benchmarks.harness import kafka
from benchmarks.harness.child import Child, ChildFailed
from benchmarks.harness.runs import Case, Comparison, Measurement, Options, Run, percentile
from benchmarks.loops import BatchReader, decoder, order_id_of
from benchmarks.members import consumed
from benchmarks.orders import facts, headers_of
from benchmarks.stores import databases
from clients.config import Cluster
from schemas.codec import Codec
from schemas.facts import OrderPlaced
from schemas.framing import encode_key
from schemas.topics import ORDERS

_BASELINE = "raw poll loop"
_RATES = (200, 2_000)
_SECONDS = 10
_LOOK_S = 0.0005
_SILENCE_S = 60.0
_SHARES = {"p50 ms": 0.5, "p99 ms": 0.99, "p99.9 ms": 0.999}
_GOALS = {"p50 ms": 2, "p99 ms": 10}
Moments = dict[int, float]
"""Order ids, and when something happened to them: seconds of the system's monotonic clock."""


def _cases(options: Options) -> Iterator[Case]:
    seconds = 1 if options.quick else _SECONDS
    with databases() as kinds:
        for rate in _RATES:
            # A topic for each contestant's run: what it reads is what was written for it.
            yield Case(
                title=f"{rate:,}/s",
                contestants={
                    _BASELINE: partial(_raw, options, rate, seconds),
                    OURS: lambda rate=rate: _ours(options, rate, seconds, kinds["SQLite"]()),  # type: ignore[misc]  # bound now
                },
                comparisons=[
                    Comparison(
                        contestant=OURS,
                        baseline=_BASELINE,
                        figure=figure,
                        difference=True,
                        goal=_GOALS.get(figure) if rate == _RATES[0] else None,
                    )
                    for figure in _SHARES
                ],
            )


def _raw(options: Options, rate: int, seconds: int) -> Run:
    with kafka.cluster_of(options.bootstrap) as cluster:
        total = (seconds + 1) * rate
        with Child(_poll_loop, cluster, total) as reader:
            return _measured(cluster, rate, total, [reader])


def _ours(options: Options, rate: int, seconds: int, url: str) -> Run:
    with kafka.cluster_of(options.bootstrap) as cluster:
        total = (seconds + 1) * rate
        with (
            Child(_watch_store, url.removeprefix("sqlite:///"), total) as watcher,
            Child(_member, cluster, total, url) as member,
        ):
            return _measured(cluster, rate, total, [watcher, member])


def _measured(cluster: Cluster, rate: int, total: int, children: list[Child]) -> Run:
    """Write at a rate once somebody reads, and compare the moments; the first second does not count."""
    warm_up = next(facts(1))._replace(order_id=-1)
    _write(cluster, [warm_up], rate)
    for child in children:
        child.next(_SILENCE_S)
    written = _write(cluster, facts(total), rate)
    try:
        seen: Moments = children[0].next(_SILENCE_S)
    except ChildFailed:
        seen = {}
    latencies = [seen[number] - written[number] for number in range(rate, total) if number in seen]
    figures = {name: percentile(latencies, share) * 1000 for name, share in _SHARES.items() if latencies}
    return Run(expected=total, completed=len(seen), figures=figures)


def _write(cluster: Cluster, records: Iterable[OrderPlaced], rate: int) -> Moments:
    """Write records at a rate; the moment of each is when it was handed to the client."""
    codec, producer = Codec(), Producer(cluster.producer(**{"linger.ms": 0}))
    encoded = [(r.order_id, codec.encode(ORDERS, r), headers_of(r)) for r in records]
    written: Moments = {}
    began = time.monotonic()
    for number, (order_id, value, headers) in enumerate(encoded):
        if (early := began + number / rate - time.monotonic()) > 0:
            producer.poll(0)
            time.sleep(early)
        written[order_id] = time.monotonic()
        producer.produce(ORDERS, value, encode_key(order_id), headers=headers)
    producer.flush(_SILENCE_S)
    return written


def _poll_loop(cluster: Cluster, total: int) -> Iterator[object]:
    """One record after the other, decoded; commits now and then."""
    reader, decode = BatchReader(cluster, ORDERS), decoder(ORDERS)
    seen: Moments = {}
    for batch in reader.batches(total + 1):
        for record in batch:
            decode(record.value() or b"")
            seen[order_id_of(record)] = time.monotonic()
        reader.commit(batch, wait=False)
        if seen.pop(-1, None):
            yield "reading"
    reader.consumer.close()
    yield seen


def _member(cluster: Cluster, total: int, url: str) -> Iterator[object]:
    """Sales until every effect is there."""
    yield "started"
    consumed(cluster, "sales", total + 1, url)


def _watch_store(path: str, total: int) -> Iterator[object]:
    """When each effect of sales could be read by another connection."""
    deadline = time.monotonic() + _SILENCE_S
    while not Path(path).exists() and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
    seen: Moments = {}
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        whole, version = -2, -1
        while len(seen) <= total and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
            if version == (version := store.execute("PRAGMA data_version").fetchone()[0]):
                continue
            for order_id in _effects_above(store, whole):
                seen.setdefault(order_id, time.monotonic())
                deadline = time.monotonic() + _SILENCE_S
            if -1 in seen and whole < -1:
                yield "reading"
            while whole + 1 in seen:
                whole += 1
    seen.pop(-1, None)
    yield seen


def _effects_above(store: sqlite3.Connection, order_id: int) -> list[int]:
    try:
        rows = store.execute("SELECT order_id FROM effects WHERE order_id > ?", (order_id,)).fetchall()
    except sqlite3.OperationalError:
        return []  # the table is being made
    return [row[0] for row in rows]


MEASUREMENT = Measurement(
    name="latency",
    title="Latency",
    text=(
        "Facts are written at a steady rate; from the call of `produce` to the moment at which a raw poll"
        " loop has decoded the fact, and at which the effect of sales can be read in the store by another"
        " connection, which means that it is synchronised to the disk. That connection looks every half"
        " millisecond. The first second does not count. A run counts if every fact was seen."
    ),
    cases=_cases,
    orders=0,
    quick_orders=0,
)
