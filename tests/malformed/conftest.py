"""The corpus, played once a module on a real broker."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from broker.datadir import claim
from schemas.errors import Position
from schemas.times import now_ms
from schemas.topics import DISPATCH_PRODUCTS
from tests.malformed.bench import GROUPS
from tests.malformed.case import Case
from tests.malformed.corpus import corpus
from tests.malformed.stage import Stage
from tests.support.consumers.harness import ConsumerHarness
from tests.support.kafka.broker import BrokerFixture
from tests.support.kafka.log import prepare, renew
from tests.support.program import Started


class Played(NamedTuple):
    """The corpus on a broker, read by all groups in one process that still runs."""

    stage: Stage
    cases: list[Case]
    positions: list[Position]
    started: Started


@pytest.fixture(scope="module")
def played(
    cluster: BrokerFixture, registry: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Played]:
    """Every record that a registry lets be written, each between good ones, and all groups at the end."""
    prepare(cluster.bootstrap)
    # Where commands may have been cleaned, an order without one counts as aged, not as lost.
    renew(cluster.bootstrap, DISPATCH_PRODUCTS)
    data_dir = tmp_path_factory.mktemp("hostile") / "data"
    claim(data_dir)
    (data_dir / "stores").mkdir()
    shop = ConsumerHarness(cluster.bootstrap, data_dir)
    shop.empty()
    try:
        stage = Stage(shop, registry)
        cases = [case for case in corpus(now_ms()) if case.avro]
        stage.register(cases)
        positions = stage.write(cases, good=True)
        with stage.consume(*GROUPS) as started:
            stage.until_read(started, *GROUPS)
            yield Played(stage, cases, positions, started)
    finally:
        shop.close()
