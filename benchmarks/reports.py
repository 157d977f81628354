"""How much memory and time the reports of an operator take over many orders: verify, status, and the others.

The orders are not placed and handled one by one: their records, effects and committed offsets are written as
placers and groups would have left them.

I/O: an embedded broker, SQLite files, the commands as child processes, Kafka.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.harness.program import World, world
from benchmarks.harness.runs import Case, Measurement, Options, Run
from benchmarks.orders import facts, produce
from clients.admin import Admin
from clients.config import Cluster
from clients.partitioner import partition_of
from consumers.registry import REACTIONS
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from schemas import dead_letters
from schemas.codec import Codec
from schemas.dead_letters import Reason
from schemas.errors import Position
from schemas.facts import OrderPlaced, ProductDispatched
from schemas.framing import encode_key
from schemas.topics import DISPATCH_RESULTS, ORDERS, PARTITIONS, dead_letter_topic

_COMMANDS = (
    "config show --json",
    "verify --json",
    "status --json",
    "dlq list --json",
    "dlq redrive --dry-run --json",
    "effects sales",
    "effects notification --json",
    "topics clean --dry-run --json",
)
_DEAD_LETTERS = dead_letter_topic("warehouse", ORDERS)
_DEAD_EVERY = 100


def _cases(options: Options) -> Iterator[Case]:
    for backlog in (False, True):
        with world() as here:
            _fill(here.cluster, here.data_dir, options.orders, backlog=backlog)
            yield Case(
                title="nothing is read yet" if backlog else "all is handled",
                contestants={arguments: partial(_run, here, arguments) for arguments in _COMMANDS},
            )


def _run(here: World, arguments: str) -> Run:
    """A report; 1 is its answer where something is wrong, and dead letters are."""
    ended = here.run(*arguments.split())
    figures = {"MiB": ended.peak_mib, "seconds": ended.seconds}
    return Run(expected=1, completed=int(ended.code in (0, 1)), figures=figures)


def _fill(cluster: Cluster, data_dir: Path, orders: int, *, backlog: bool) -> None:
    """Facts, results and dead letters on the log; effects, progress and offsets of each group."""
    producer, codec = Producer(cluster.producer()), Codec()
    effects: dict[str, list[tuple[Any, ...]]] = {reaction.name: [] for reaction in REACTIONS}
    offsets: Counter[int] = Counter()
    for fact in facts(orders):
        order_id = fact.order_id
        partition = partition_of(encode_key(order_id), PARTITIONS)
        position = Position(ORDERS, partition, offsets[partition])
        offsets[partition] += 1
        value = codec.encode(ORDERS, fact)
        produce(producer, ORDERS, order_id, value)
        if backlog:
            continue
        dead = order_id % _DEAD_EVERY == 0
        if dead:
            reason = Reason(position, 1_700_000_000_000, "warehouse", "schemas.errors.ForeignFact", "x", 1)
            produce(producer, _DEAD_LETTERS, order_id, value, dead_letters.to_headers(reason))
        else:
            result = ProductDispatched(order_id, fact.address, 1)
            produce(producer, DISPATCH_RESULTS, order_id, codec.encode(DISPATCH_RESULTS, result))
        for group, name, outcome, text, detail in _effects(fact, dead=dead):
            effects[group].append((order_id, name, outcome, text, detail, "fact", "m", *position, 1))
    if producer.flush(120):
        raise SystemExit("the broker did not take every record")
    if backlog:
        offsets = Counter(dict.fromkeys(offsets, 0))
    for reaction in REACTIONS:
        address = StoreAddress.at(reaction.name, data_dir=data_dir)
        _store(cluster, address, effects[reaction.name], offsets)


def _effects(fact: OrderPlaced, *, dead: bool) -> Iterator[tuple[str, str, str, str | None, str | None]]:
    if not dead:
        yield "warehouse", "dispatch", "dispatched", fact.address, None
    for name, recipient in (("email", fact.email), ("text", fact.phone)):
        if recipient:
            yield "notification", name, "done", recipient, None
    lines = [[item.product, item.quantity, item.quantity * item.unit_price_cents] for item in fact.items]
    sale = {"placed_at": fact.placed_at, "currency": fact.currency, "lines": lines}
    yield "sales", "sale", "counted", None, json.dumps(sale)


def _store(
    cluster: Cluster, address: StoreAddress, rows: list[tuple[Any, ...]], offsets: Counter[int]
) -> None:
    """A group's store with these effects, and the group's offsets at the ends of what it reads."""
    store = Store(address)
    identity = store.identity(Admin(cluster).brokers().cluster_id, 1)
    store.close()
    assert address.path is not None  # noqa: S101 - stores lie in files here
    with closing(sqlite3.connect(address.path)) as raw, raw:
        raw.executemany(f"INSERT INTO effects VALUES ({', '.join('?' * 11)})", rows)  # noqa: S608 - marks alone
        raw.executemany(
            "INSERT INTO progress VALUES (?, ?, ?, ?, 1, 1)",
            [(ORDERS, number, end, end) for number, end in offsets.items()],
        )
    # A classic consumer may commit for a group that it has not joined.
    consumer = Consumer({**cluster.reader(), "group.id": address.group})
    ends = [TopicPartition(ORDERS, number, end, identity.id) for number, end in offsets.items()]
    consumer.commit(offsets=ends, asynchronous=False)
    consumer.close()


MEASUREMENT = Measurement(
    name="reports",
    title="Reports",
    text=(
        "What an operator asks, over many orders of which one in a hundred is a dead letter: each command"
        " is a process of its own, and its largest resident memory is shown. The goal is that memory does"
        " not grow with the orders."
    ),
    cases=_cases,
    orders=100_000,
    quick_orders=500,
    rounds=1,
)
