"""Records of a writer that is not ours: exactly as ksqlDB writes the pattern page's INSERT.

No headers, a Long key, and registry framing of a schema of its own, packed by hand.

I/O: the shared shop and its registry, by plain clients.
"""

import json
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from confluent_kafka import Producer

from tests.e2e.conftest import Shop
from tests.support.kafka import raw_client, wire
from tests.support.program import Program, until

PAGE = {12004: "1 Streetford Road", 12005: "2 Roadford Avenue", 12006: "3 Avenue Fordstreet"}
NOBODY_KNOWS_WHERE = 12007


def ask(url: str, body: object = None) -> dict[str, Any]:
    """What the registry answers; a body is posted."""
    request = Request(
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
    )
    with urlopen(request, timeout=20) as answer:
        document: dict[str, Any] = json.load(answer)
        return document


def insert(shop: Shop, rows: dict[int, str | None]) -> None:
    """`INSERT INTO dispatch_products (id, address) VALUES (…)`, as ksqlDB does it."""
    registered = ask(
        f"{shop.registry}/subjects/dispatch_products-value/versions", {"schema": wire.KSQL_SCHEMA}
    )
    failed: list[object] = []
    producer = Producer({"bootstrap.servers": shop.bootstrap, "partitioner": "murmur2_random"})
    for order_id, address in rows.items():
        producer.produce(
            "dispatch_products",
            key=wire.key_of(order_id),
            value=wire.framed(registered["id"], wire.nullable_text_of(address)),
            on_delivery=lambda error, _: failed.append(error) if error is not None else None,
        )
    assert producer.flush(20) == 0
    assert not failed


@pytest.fixture
def results(shop: Shop) -> list[raw_client.Record]:
    """What the warehouse says after the rows were inserted and handled."""
    before = raw_client.ends(shop.bootstrap, "dispatch_results")
    rows = {**PAGE, NOBODY_KNOWS_WHERE: None}
    with shop.cev.started("consume", "warehouse", "notification", "sales") as consuming:
        consuming.joined("warehouse")
        insert(shop, rows)
        until(lambda: effects(shop).keys() >= rows.keys(), 30, "the warehouse has handled the rows")
        (verified,) = shop.cev.json("verify", "--wait", "30")
        assert verified["ok"], verified
        assert consuming.end() == 0
        ends = [line for line in consuming.said.splitlines() if " ended " in line]
        assert len(ends) == 3
        assert all("dead_letters=0" in line for line in ends), ends
    return raw_client.committed(shop.bootstrap, "dispatch_results", before)


def effects(shop: Shop) -> dict[int, dict[str, Any]]:
    return {int(each["order_id"]): each for each in shop.cev.json("effects", "warehouse", "--all")}


def test_the_pages_rows_are_dispatched_and_a_null_address_is_rejected(
    shop: Shop, results: list[raw_client.Record]
) -> None:
    made = effects(shop)
    for order_id, address in PAGE.items():
        assert (made[order_id]["outcome"], made[order_id]["address"]) == ("dispatched", address)
        assert made[order_id]["via"] == "command"
    assert made[NOBODY_KNOWS_WHERE]["outcome"] == "rejected"

    said = {each.order_id: type_of(shop, each.value) for each in results}
    assert said == {**dict.fromkeys(PAGE, "ProductDispatched"), NOBODY_KNOWS_WHERE: "DispatchRejected"}
    assert len(results) == len(said)


def type_of(shop: Shop, value: bytes) -> str:
    """The record's type, asked of the registry by the id in the frame."""
    assert value[0] == 0
    answer = ask(f"{shop.registry}/schemas/ids/{int.from_bytes(value[1:5], 'big')}")
    return str(json.loads(answer["schema"])["name"])


def test_a_placer_without_the_registry_does_not_guess_the_mode(shop: Shop, tmp_path: Path) -> None:
    before = shop.cev.json("mode", "show")[0]["mode"]
    shop.cev.ok("mode", "set", "event" if before != "event" else "shadow")
    shop.cev.ok("mode", "set", before)
    stranger = Program(tmp_path / "stranger", CEV_BOOTSTRAP_SERVERS=shop.bootstrap)
    said = stranger.refused(4, "order", "place", "--address", "1 Guess Street")
    assert "order_mode:0:" in said
    assert "--schema-registry-url" in said
