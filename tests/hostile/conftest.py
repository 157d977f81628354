"""The corpus, played once a module on a real broker."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from broker.datadir import claim
from schemas.errors import Position
from schemas.times import now_ms
from tests.embedded import World
from tests.hostile.bench import GROUPS
from tests.hostile.case import Case
from tests.hostile.corpus import corpus
from tests.hostile.stage import Stage
from tests.kafka_log import prepare
from tests.program import Started
from tests.running import Shop


class Played(NamedTuple):
    """The corpus on a broker, read by all groups in one process that still runs."""

    stage: Stage
    cases: list[Case]
    positions: list[Position]
    started: Started


@pytest.fixture(scope="module")
def played(cluster: World, registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Every record that a registry lets be written, each between good ones, and all groups at the end."""
    prepare(cluster.bootstrap)
    data_dir = tmp_path_factory.mktemp("hostile") / "data"
    claim(data_dir)
    (data_dir / "stores").mkdir()
    shop = Shop(cluster.bootstrap, data_dir)
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
