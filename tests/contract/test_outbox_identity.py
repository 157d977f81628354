"""Whether the outbox that a relay works on is the one it leads: behind a pool, replaced, or removed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from producers.outbox.queue import OutboxQueue
from schemas.errors import ReplacedStore, SafetyRefusal
from tests.support.stores.outboxes import Service, opened
from tests.support.stores.pooler import pooling

on_postgres = pytest.mark.parametrize("service", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("service", ["sqlite"], indirect=True)


@pytest.fixture
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    with opened(request, tmp_path) as made:
        made.accept(made.by_hand(), 1)
        yield made


@pytest.fixture
def queue(service: Service) -> Iterator[OutboxQueue]:
    made = service.queue()
    assert made.acquire_leadership()
    yield made
    made.close()


@on_postgres
def test_a_pool_that_lends_connections_takes_orders_and_has_no_leader(service: Service) -> None:
    with pooling(service.url) as pooler:
        engine = create_engine(pooler.url.replace("postgresql:", "postgresql+psycopg:"))
        with engine.begin() as connection:
            service.write(connection, service.by_hand(), 2)
        queue = OutboxQueue(pooler.url)
        assert queue.backlog().rows == 2
        with pytest.raises(SafetyRefusal, match=r"relay's lock .* pool_mode=transaction") as refusal:
            queue.acquire_leadership()
        queue.close()
        assert refusal.value.exit_code == 4
        assert "\n" not in str(refusal.value)
        with engine.begin() as connection:
            left = connection.execute(text("SELECT current_setting('statement_timeout')")).scalar()
        assert left == "0", "what it set is not left behind for others"
        engine.dispose()


@on_postgres
def test_a_relay_does_not_go_on_with_another_outbox_in_the_place_of_its_own(
    service: Service, queue: OutboxQueue
) -> None:
    queue.close()
    service.rows("UPDATE cev_outbox_relay SET outbox_id = :id", id="0" * 32)
    with pytest.raises(ReplacedStore, match="find out what it holds"):
        queue.acquire_leadership()


@on_sqlite
@pytest.mark.parametrize("replaced", [False, True], ids=["removed", "replaced"])
def test_a_relay_notices_that_its_file_is_not_the_services_any_more(
    queue: OutboxQueue, tmp_path: Path, *, replaced: bool
) -> None:
    assert queue.waiting()
    path = tmp_path / "shop.sqlite3"
    path.rename(tmp_path / "aside")
    if replaced:
        shutil.copy(tmp_path / "aside", path)
    for call in (queue.waiting, lambda: queue.mark_published([])):
        with pytest.raises(ReplacedStore, match=str(path)) as refusal:
            call()
        assert refusal.value.exit_code == 4
