"""An order service with a database of its own, as tests see it: its orders and its outbox.

I/O: SQLite files or PostgreSQL, by SQLAlchemy as a service would use it.

`ORDER_SERVICES` are the kinds; a fixture of the test's own turns one into a `Service`:

    @pytest.fixture(params=ORDER_SERVICES)
    def service(request, tmp_path) -> Iterator[Service]:
        with opened(request, tmp_path) as made:
            yield made
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from producers.outbox import Outbox, create
from producers.outbox.queue import OutboxQueue
from producers.placing.request import OrderRequest
from schemas.codec import Codec
from schemas.control import INITIAL, ModeChanged

ORDER_SERVICES = ("sqlite", "postgresql")
HOME = "1 Streetford Road"


class FixedMode:
    """A mode that the test sets by hand, without a broker."""

    def __init__(self, current: ModeChanged = INITIAL) -> None:
        self.current = current

    def close(self) -> None:
        """Nothing is open."""


class Service:
    """One order service: a table of orders, an outbox, and who adds to it.

    Args:
        url: of its database, as CEV_OUTBOX_URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = create_engine(
            url.replace("postgresql:", "postgresql+psycopg:"), connect_args=_patience(url)
        )
        create(self.engine)
        with self.engine.begin() as connection:
            connection.execute(text("CREATE TABLE shop_orders (id BIGINT PRIMARY KEY, address TEXT)"))

    @property
    def lite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def by_hand(self, mode: ModeChanged = INITIAL) -> Outbox:
        """An outbox that no broker is asked for."""
        return Outbox(FixedMode(mode), Codec())

    def accept(self, outbox: Outbox, *order_ids: int, address: str = HOME) -> None:
        """Take orders, all in one transaction."""
        with self.engine.begin() as connection:
            for order_id in order_ids:
                self.write(connection, outbox, order_id, address)

    def write(self, connection: Any, outbox: Outbox, order_id: int, address: str = HOME) -> None:
        """Take one order in a transaction of the caller's."""
        connection.execute(
            text("INSERT INTO shop_orders VALUES (:id, :address) ON CONFLICT DO NOTHING"),
            {"id": order_id, "address": address},
        )
        outbox.add(connection, OrderRequest(address=address, order_id=order_id))

    def queue(self) -> OutboxQueue:
        """A relay's view of the outbox."""
        return OutboxQueue(self.url)

    def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """Rows of a statement; what it changes is committed."""
        with self.engine.begin() as connection:
            found = connection.execute(text(sql), values)
            return [tuple(row) for row in found] if found.returns_rows else []

    def waiting(self) -> list[int]:
        """Order ids of rows that are not published, by row id."""
        return [each for (each,) in self.rows(_WAITING)]

    def published(self) -> int:
        """How many rows are published."""
        ((number,),) = self.rows("SELECT count(*) FROM cev_outbox WHERE published_at IS NOT NULL")
        return int(number)

    def close(self) -> None:
        self.engine.dispose()


_WAITING = "SELECT order_id FROM cev_outbox WHERE published_at IS NULL ORDER BY id"


def _patience(url: str) -> dict[str, Any]:
    return {"timeout": 30} if url.startswith("sqlite") else {}


@contextmanager
def opened(request: pytest.FixtureRequest, folder: Path) -> Iterator[Service]:
    """A service on the kind of database that a fixture's parameter names."""
    if request.param == "sqlite":
        url = f"sqlite:///{folder / 'shop.sqlite3'}"
    else:
        url = str(request.getfixturevalue("postgres_url"))
    made = Service(url)
    try:
        yield made
    finally:
        made.close()
