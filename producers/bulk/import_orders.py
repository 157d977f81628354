"""Placing many orders from rows: the good ones are placed, each bad one is named, and it goes on.

It only drives: what it reads and where it writes are handed in.

Running a file again causes nothing twice: ids come from the rows or from their content (`content_ids`).
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from producers.bulk.content_ids import ContentIds
from producers.bulk.row_reader import Row
from producers.placing.pending_order import PendingOrder, Placed
from producers.placing.pipeline import Outcome, Pipeline
from producers.placing.request import OrderRequest
from schemas.errors import CommandEventError, InvalidOrder

MAX_ERRORS = 10_000
"""Errors that a report keeps; all of them are counted and shown as they come."""


class ImportPlacer(Protocol):
    """What a bulk needs of an order placer."""

    def prepare(self, request: OrderRequest, order_id: int | None = None) -> PendingOrder:
        """What would be written."""

    def pipeline(self, on_outcome: Callable[[Row, Outcome], None]) -> Pipeline[Row]:
        """A way to push many orders."""


class RowError(NamedTuple):
    """A row that was not placed: its number and why."""

    row: int
    message: str


class OrderImport:
    """One run over rows.

    Args:
        placer: places the orders.
        on_placed: told about every placed order (in a dry run: every valid one), one at a time.
        on_fault: told about every row that was not placed.

    Attributes:
        placed: orders that are stored; in a dry run, that are valid.
        errors: the first `MAX_ERRORS` faults.
    """

    def __init__(
        self,
        placer: ImportPlacer,
        *,
        on_placed: Callable[[Placed], None],
        on_fault: Callable[[Row, str], None],
    ) -> None:
        self._placer = placer
        self._on_placed = on_placed
        self._on_fault = on_fault
        self._ids = ContentIds()
        self._bad = 0
        self._not_stored = 0
        self.placed = 0
        self.errors: list[RowError] = []

    @property
    def failed(self) -> int:
        """Rows that were not placed."""
        return self._bad + self._not_stored

    @property
    def seen(self) -> int:
        """Rows whose fate is known."""
        return self.placed + self.failed

    def run(self, rows: Iterable[Row]) -> CommandEventError | None:
        """Place the rows' orders.

        Returns:
            Why it stopped, or would have to: no broker answers. None if all went its way. Rows that it did
            not come to are untouched; run the file again.
        """
        with self._placer.pipeline(self._settled) as pipeline:
            for row in rows:
                found = self._checked(row)
                if found is None:
                    continue
                try:
                    pipeline.submit(row, *found)
                except CommandEventError as error:
                    return error
        return pipeline.lost

    def rehearse(self, rows: Iterable[Row]) -> None:
        """Check the rows and say what would be placed; write nothing.

        Raises:
            UnknownMode, RegistryUnreachable, TopicMissing: no order could be placed at all.
        """
        for row in rows:
            found = self._checked(row)
            if found is not None:
                self.placed += 1
                self._on_placed(self._placer.prepare(*found).rehearsed())

    def _checked(self, row: Row) -> tuple[OrderRequest, int | None] | None:
        if row.fields is None:
            self._fault(row, row.fault)
        else:
            try:
                request = OrderRequest.parse(row.fields)
            except InvalidOrder as error:
                self._fault(row, str(error))
            else:
                return request, self._ids.id_of(request) if request.order_id is None else None
        self._bad += 1
        return None

    def _settled(self, row: Row, outcome: Outcome) -> None:
        if isinstance(outcome, Placed):
            self.placed += 1
            self._on_placed(outcome)
        else:
            self._not_stored += 1
            self._fault(row, str(outcome))

    def _fault(self, row: Row, message: str) -> None:
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(RowError(row.number, message))
        self._on_fault(row, message)
