"""How much memory and time the reports of an operator take over many orders: verify, status, and the others.

    python benchmarks/reports.py                     300,000 orders, all handled; one in a hundred is dead
    python benchmarks/reports.py --orders 20000 --backlog

The orders are not placed and handled one by one: their records, effects and committed offsets are written as
placers and groups would have left them. Each command then runs as a process of its own, and the largest
resident memory that it had is shown. With `--backlog` no group has read anything. Nothing here is asserted;
the goal is that memory does not grow with the orders.

I/O: an embedded broker in a temporary directory, SQLite files, the commands as child processes, Kafka.
"""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from broker import embedded
from clients.admin import Admin
from clients.config import Cluster
from clients.partitioner import partition_of
from consumers.registry import REACTIONS
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from producers.bulk.sample_orders import sample_orders
from schemas import dead_letters
from schemas.codec import Codec
from schemas.dead_letters import Reason
from schemas.errors import Position
from schemas.facts import OrderPlaced, ProductDispatched
from schemas.framing import encode_key
from schemas.topics import DISPATCH_RESULTS, ORDERS, PARTITIONS, dead_letter_topic

_CEV = (sys.executable, "-m", "cli")
# As the kernel counts, a child begins with the memory that its parent had: so its parent is a small one.
_RUN = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
_COMMANDS = (
    "verify --json",
    "status --json",
    "dlq list --json",
    "dlq redrive --dry-run --json",
    "effects sales",
    "effects notification --json",
    "topics clean --dry-run --json",
)
_DEAD_LETTERS = dead_letter_topic("warehouse", ORDERS)
_MIB = 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=300_000)
    parser.add_argument("--backlog", action="store_true", help="no group has read anything")
    parser.add_argument("--dead", type=int, default=100, help="one order in so many is a dead letter")
    parser.add_argument("--only", default="", help="only commands that begin so")
    chosen = parser.parse_args()
    with _world() as (data_dir, environment):
        cluster = Cluster(bootstrap=embedded.up(data_dir).bootstrap)
        _fill(cluster, data_dir, chosen.orders, every=chosen.dead, backlog=chosen.backlog)
        print(f"{chosen.orders:,} orders; seconds, MiB of the largest resident memory, exit code\n")
        for arguments in ("config show --json", *_COMMANDS):
            if arguments.startswith(chosen.only):
                seconds, peak, code = _measure(arguments, environment)
                print(f"{arguments:<32}{seconds:8.1f}{peak:8,.0f}{code:6}", flush=True)


def _measure(arguments: str, environment: dict[str, str]) -> tuple[float, float, int]:
    began = time.perf_counter()
    command = [sys.executable, "-c", _RUN, *_CEV, *arguments.split()]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True, text=True)  # noqa: S603 - our own command
    code, peak = map(int, done.stdout.split())
    return time.perf_counter() - began, peak / _MIB, code


def _fill(cluster: Cluster, data_dir: Path, orders: int, *, every: int, backlog: bool) -> None:
    """Facts, results and dead letters on the log; effects, progress and offsets of each group."""
    producer, codec = Producer(cluster.producer()), Codec()
    effects: dict[str, list[tuple[Any, ...]]] = {reaction.name: [] for reaction in REACTIONS}
    offsets: Counter[int] = Counter()
    for order_id, request in zip(range(orders), sample_orders(1), strict=False):
        fact = OrderPlaced(
            order_id,
            request.address,
            1_700_000_000_000,
            request.customer,
            request.email,
            request.phone,
            items=tuple(request.items),
            mode_epoch=1,
        )
        partition = partition_of(encode_key(order_id), PARTITIONS)
        position = Position(ORDERS, partition, offsets[partition])
        offsets[partition] += 1
        value = codec.encode(ORDERS, fact)
        _produce(producer, ORDERS, order_id, value)
        if backlog:
            continue
        dead = order_id % every == 0
        if dead:
            reason = Reason(position, 1_700_000_000_000, "warehouse", "schemas.errors.ForeignFact", "x", 1)
            _produce(producer, _DEAD_LETTERS, order_id, value, dead_letters.to_headers(reason))
        else:
            result = ProductDispatched(order_id, fact.address, 1)
            _produce(producer, DISPATCH_RESULTS, order_id, codec.encode(DISPATCH_RESULTS, result))
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


def _produce(
    producer: Producer, topic: str, order_id: int, value: bytes, headers: list[Any] | None = None
) -> None:
    while True:
        try:
            producer.produce(topic, value, encode_key(order_id), headers=headers or [])
        except BufferError:
            producer.poll(0.05)
        else:
            producer.poll(0)
            return


@contextmanager
def _world() -> Iterator[tuple[Path, dict[str, str]]]:
    """The data directory of a running broker with the topics, and the environment that leads to it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CEV_")}
    with tempfile.TemporaryDirectory(prefix="cev-bench-") as folder:
        data_dir = Path(folder) / "data"
        environment = {**kept, "CEV_DATA_DIR": str(data_dir)}
        try:
            # With the topics, which the module `embedded` knows nothing about.
            subprocess.run([*_CEV, "up", "--port", "0"], capture_output=True, check=True, env=environment)  # noqa: S603 - our own command
            yield data_dir, environment
        finally:
            embedded.down(data_dir, delete_data=True)


if __name__ == "__main__":
    main()
