"""Dead letters of the warehouse for tests: made by a real member, decided by the real command.

I/O: Kafka, child processes (through the shop that it is given).

A fact from outside any mode is a dead letter, until the operator says that nothing else acts on it
(`act_on_foreign`): the same letters can be redriven to fail again or to be dispatched.
"""

import json
import os
import pty
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from confluent_kafka import Producer

from schemas.decisions import REDRIVE_OF
from schemas.topics import ORDERS
from tests.support.consumers.harness import ConsumerHarness
from tests.support.kafka.log import PATIENCE_S

DLQ = f"warehouse.{ORDERS}.dlq"
RETRY = f"warehouse.{ORDERS}.retry"


def put_aside(shop: ConsumerHarness, count: int, *, first: int = 1) -> None:
    """That many dead letters of the warehouse, orders `first` and up, and no member."""
    for order_id in range(first, first + count):
        shop.fact(order_id, mode_epoch=0)
    assert shop.handled("warehouse").dead == count


def ended(child: "subprocess.Popen[str]") -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, JSON lines and stderr of a command at its end."""
    out, err = child.communicate(timeout=2 * PATIENCE_S)
    assert "Traceback" not in err, err
    return child.returncode, [json.loads(line) for line in out.splitlines() if line.startswith("{")], err


def decide(shop: ConsumerHarness, *words: str) -> dict[str, Any]:
    """Run `cev dlq …` to its good end; its document."""
    code, documents, err = ended(shop.cev("dlq", *words, "--json"))
    assert code == 0, err
    return documents[0]


def redrives(shop: ConsumerHarness, topic: str = RETRY) -> list[str]:
    """`redrive-of` of every committed record on a retry topic."""
    return [(seen.header(REDRIVE_OF) or b"").decode() for seen in shop.read(topic)]


def positions(shop: ConsumerHarness, topic: str = DLQ) -> list[str]:
    """Where every dead letter lies."""
    return [f"{seen.topic}:{seen.partition}:{seen.offset}" for seen in shop.read(topic)]


@contextmanager
def open_transaction(shop: ConsumerHarness, topic: str) -> Iterator[None]:
    """Somebody's record on a topic that is not committed as long as the block runs; then it is gone."""
    producer = Producer(
        shop.cluster.transactional_producer(uuid.uuid4().hex, **{"transaction.timeout.ms": 60_000})
    )
    producer.init_transactions(PATIENCE_S)
    producer.begin_transaction()
    producer.produce(topic, b"hidden", partition=0)
    producer.flush(PATIENCE_S)
    try:
        yield
    finally:
        producer.abort_transaction(PATIENCE_S)


def watched(shop: ConsumerHarness, *words: str) -> tuple[int, list[dict[str, Any]], str]:
    """Run a command for somebody who looks at its stderr: exit code, JSON lines, what the terminal showed."""
    master, terminal = pty.openpty()
    shown = bytearray()

    def read() -> None:
        # Linux says so where others say end of file: the last writer is gone.
        with suppress(OSError):
            while data := os.read(master, 4096):
                shown.extend(data)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CEV_")}
    own = {"CEV_DATA_DIR": str(shop.data_dir), "CEV_BOOTSTRAP_SERVERS": shop.bootstrap, "TERM": "xterm"}
    child = subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()", *words],
        env={**kept, **own, "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        timeout=2 * PATIENCE_S,
        check=False,
        text=True,
    )
    os.close(terminal)
    reader.join(PATIENCE_S)
    os.close(master)
    return child.returncode, [json.loads(line) for line in child.stdout.splitlines()], shown.decode()
