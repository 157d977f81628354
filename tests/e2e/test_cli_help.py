"""An example of every command's help does what it says, typed as it stands.

I/O: a world of this file's own, a raw producer, an SQLite file.
"""

import shlex
import struct
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer
from sqlalchemy import create_engine

from producers.outbox import create
from schemas.codec import Codec
from schemas.facts import OrderPlaced
from schemas.framing import encode_key
from tests.support.command_line import every_command
from tests.support.program import Program, until

CHOSEN = {
    "up": "cev up --registry",
    "config init": "cev config init -",
    "gateway": "cev gateway --list",
    "relay": "cev relay --until-idle 0",
    "status": "cev status --check",
    "verify": "cev verify --wait 30",
    "down": "cev down --delete-data --yes",
}
"""Where another example than the first is typed here: it ends by itself, or leaves nothing behind."""

OF_ITS_OWN = "demo"
"""Has a test of its own: it takes a minute."""

LONG = ("consume", "order load")
"""Examples that run beside the others."""

BETWEEN: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("topics create", (0,)),
    ("topics list", (0,)),
    ("topics describe", (0,)),
    ("help", (0,)),
    ("config show", (0,)),
    ("config init", (0,)),
    ("mode show", (0,)),
    ("mode set", (0,)),
    ("mode history", (0,)),
    ("order place", (0,)),
    ("order status", (0,)),
    ("order list", (0,)),
    ("replay", (0,)),
    ("relay", (0,)),
    ("gateway", (0,)),
    ("effects", (0,)),
    ("process list", (0,)),
    ("process show", (1,)),
    ("payments list", (0,)),
    ("payments show", (1,)),
    ("payments resolve", (2,)),
    ("status", (0, 1)),
    ("dlq list", (0,)),
    ("dlq show", (0,)),
    ("dlq redrive", (0,)),
    ("dlq discard", (0,)),
    ("topics clean", (0,)),
    ("verify", (0,)),
)
"""Examples that end by themselves on a running world, in an order that makes sense; `status --check` may find
an alarm, there is a dead letter."""

WITHOUT_MEMBERS = "store adopt"
"""Refuses beside the members of a group, so it comes after them."""


COMMANDS = {
    " ".join(words): command for words, command in every_command().items() if not hasattr(command, "commands")
}


def example(name: str) -> list[str]:
    """The words after `cev` in one of a command's examples."""
    examples = str(COMMANDS[name].epilog).splitlines()
    chosen = CHOSEN.get(name, examples[0])
    assert chosen in examples
    return shlex.split(chosen)[1:]


def poison(bootstrap: str) -> None:
    """Records that nobody can read, in enough partitions for one where `dlq show`'s example looks.

    And before them one that can be read: a topic that is all of one unknown kind would stand still.
    """
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    fact = OrderPlaced(12_004, "1 Streetford Road", 0, mode_epoch=1)
    producer.produce("orders", Codec().encode("orders", fact), encode_key(fact.order_id))
    assert producer.flush(20) == 0
    time.sleep(1)
    for number in range(40):
        producer.produce("orders", key=struct.pack(">q", number), value=b"poison")
    assert producer.flush(20) == 0


@pytest.mark.timeout(600)
def test_every_example_can_be_typed_as_it_stands(tmp_path: Path) -> None:
    planned = {"up", *(name for name, _ in BETWEEN), *LONG, WITHOUT_MEMBERS, "down"}
    assert planned == set(COMMANDS) - {OF_ITS_OWN}, "a new command's example belongs into the plan"
    cev = Program(tmp_path / "data", CEV_OUTBOX_URL=outbox(tmp_path / "shop.sqlite3"))
    try:
        cev.ok(*example("up"), "--port", "0")
        with cev.started(*example("consume")) as consuming, cev.started(*example("order load")) as loading:
            consuming.joined("warehouse", "notification", "sales")
            between(cev)
            assert loading.process.wait(60) == 0, loading.said
            assert consuming.end() == 0
        cev.ok(*example(WITHOUT_MEMBERS))
    finally:
        ended = cev.run(*example("down"))
    assert ended.returncode == 0, ended.stderr
    assert not cev.data_dir.exists()


def outbox(path: Path) -> str:
    """An order service's database without an order, as CEV_OUTBOX_URL."""
    url = f"sqlite:///{path}"
    engine = create_engine(url)
    create(engine)
    engine.dispose()
    return url


def letters(cev: Program) -> set[str]:
    return {f"{each['topic']}:{each['partition']}:{each['offset']}" for each in cev.json("dlq", "list")}


def between(cev: Program) -> None:
    poison(cev.json("status")[0]["bootstrap"])
    there = example("dlq show")[-1]
    until(lambda: there in letters(cev), 30, f"a dead letter at {there}")
    cev.ok("consume", "tracking", "--until-idle", "0.5")
    for name, codes in BETWEEN:
        ended = cev.run(*example(name))
        assert ended.returncode in codes, f"{name}: {ended.stderr}{ended.stdout}"
        assert ended.stdout or 0 not in codes, name
