"""The reconciliation while operators decide about dead letters, against real groups."""

import json
from typing import Any

import pytest

from clients.config import Cluster
from consumers.registry import all_topics
from operations.dead_letters.listing import Filter
from operations.dead_letters.redrive import Redrive, RedriveRequest
from operations.verify import reading
from operations.verify.check import check_all
from operations.verify.evidence import READS
from operations.verify.reconciliation import Reconciliation
from schemas.codec import Codec
from tests.support.consumers.dead_letters import put_aside
from tests.support.consumers.harness import ConsumerHarness
from tests.support.kafka.log import PATIENCE_S


def verdict(shop: ConsumerHarness) -> Reconciliation:
    stores = {group: shop.name(group) for group in READS}
    found = check_all(shop.cluster, Codec(), stores, lambda _text: None)
    assert found.ok, found
    return found


def decide(shop: ConsumerHarness, how: Any, **wanted: Any) -> int:
    cluster = Cluster(bootstrap=shop.bootstrap)
    return Redrive(cluster, all_topics(), Filter(**wanted), RedriveRequest(how, "ada@here", "why")).run().done


def test_an_order_is_dead_then_unseen_then_dead_again_and_at_last_dispatched(shop: ConsumerHarness) -> None:
    put_aside(shop, 1)
    assert (verdict(shop).dead, verdict(shop).accepted) == (1, 1)
    decide(shop, "redriven")
    found = verdict(shop)
    assert (found.dead, found.unseen) == (0, ("1",))
    assert not reading.wait(shop.cluster, READS, 0, lambda _text: None)
    shop.handled("warehouse")
    assert verdict(shop).dead == 1
    decide(shop, "redriven")
    shop.handled("warehouse", act_on_foreign=True)
    found = verdict(shop)
    # The other groups have not looked at the fact.
    assert (found.dead, found.dispatched, found.discarded) == (0, 1, 0)


def test_a_discarded_order_counts_as_such_before_and_after_its_group_has_seen_it(
    shop: ConsumerHarness,
) -> None:
    put_aside(shop, 2)
    decide(shop, "discarded", order_id=1)
    assert (verdict(shop).discarded, verdict(shop).dead) == (1, 1)
    shop.handled("warehouse")
    assert (verdict(shop).discarded, verdict(shop).dead) == (1, 1)


def test_a_reaction_that_only_the_registry_knows_is_counted_once_it_has_run(shop: ConsumerHarness) -> None:
    shop.fact(1, customer="Ada")
    shop.fact(2)

    def verified() -> dict[str, Any]:
        output, errors = shop.cev("verify", "--json").communicate(timeout=PATIENCE_S)
        return dict(json.loads(output)) if output else pytest.fail(errors)

    assert verified()["reactions"] == {}
    shop.handled("loyalty")
    document = verified()
    assert (document["ok"], document["reactions"]) == (True, {"loyalty": 1})
