"""Placing many orders from rows: valid rows are placed, and every other row is reported with its error.

Running a file again causes nothing twice: ids come from the rows or from their content (`content_ids`).

Not here: reading rows (`row_reader`) and writing records (`pipeline`).
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
"""Errors that a report keeps, at most; all of them are counted and given to `on_error`."""


class ImportPlacer(Protocol):
    """What an import needs of an order placer."""

    def prepare(self, request: OrderRequest, order_id: int | None = None) -> PendingOrder:
        """The records that would be written."""

    def pipeline(self, on_outcome: Callable[[Row, Outcome], None]) -> Pipeline[Row]:
        """A pipeline for many orders."""


class RowError(NamedTuple):
    """A row that was not placed: its number and the reason."""

    row: int
    message: str


class OrderImport:
    """One run over the rows of a file.

    Args:
        placer: places the orders.
        on_placed: called with every placed order (in a dry run: every valid one), one at a time.
        on_error: called with every row that was not placed, and the reason.

    Attributes:
        placed: how many orders are stored; in a dry run, how many are valid.
        repeated: valid rows with the `order_id` of a row before them. An id is one order: such a row causes
            nothing, or a dead letter if its content is another.
        errors: the first `MAX_ERRORS` errors.
    """

    def __init__(
        self,
        placer: ImportPlacer,
        *,
        on_placed: Callable[[Placed], None],
        on_error: Callable[[Row, str], None],
    ) -> None:
        self._placer = placer
        self._on_placed = on_placed
        self._on_row_error = on_error
        self._ids = ContentIds()
        self._invalid = 0
        self._not_stored = 0
        self._submitted = 0
        self._named: set[int] = set()
        self.placed = 0
        self.repeated = 0
        self.errors: list[RowError] = []

    @property
    def failed(self) -> int:
        """Rows that were not placed."""
        return self._invalid + self._not_stored

    @property
    def unconfirmed(self) -> int:
        """Rows whose orders were sent and not acknowledged: some where a run was broken off, else none."""
        return max(0, self._submitted - self.placed - self._not_stored)

    @property
    def seen(self) -> int:
        """Rows whose outcome is known."""
        return self.placed + self.failed

    def run(self, rows: Iterable[Row]) -> CommandEventError | None:
        """Place the rows' orders.

        Returns:
            Why no further order can be placed, such as no answer from a broker; None if it read all rows.
            Rows that it did not read are not placed; run the file again.
        """
        with self._placer.pipeline(self._on_outcome) as pipeline:
            for row in rows:
                checked = self._checked(row)
                if checked is None:
                    continue
                try:
                    pipeline.submit(row, *checked)
                except CommandEventError as error:
                    return error
                self._submitted += 1
        return pipeline.fatal_error

    def dry_run(self, rows: Iterable[Row]) -> None:
        """Validate the rows and report what would be placed; write nothing.

        Raises:
            UnknownMode, RegistryUnreachable, TopicMissing: no order can be placed at all.
        """
        for row in rows:
            checked = self._checked(row)
            if checked is not None:
                self.placed += 1
                self._on_placed(self._placer.prepare(*checked).dry_run_result())

    def _checked(self, row: Row) -> tuple[OrderRequest, int | None] | None:
        if row.fields is None:
            self._report_error(row, row.fault)
        else:
            try:
                request = OrderRequest.parse(row.fields)
            except InvalidOrder as error:
                self._report_error(row, str(error))
            else:
                return request, self._content_id(request)
        self._invalid += 1
        return None

    def _content_id(self, request: OrderRequest) -> int | None:
        """The id of a request that has none."""
        if request.order_id is None:
            return self._ids.id_of(request)
        self.repeated += request.order_id in self._named
        self._named.add(request.order_id)
        return None

    def _on_outcome(self, row: Row, outcome: Outcome) -> None:
        if isinstance(outcome, Placed):
            self.placed += 1
            self._on_placed(outcome)
        else:
            self._not_stored += 1
            self._report_error(row, str(outcome))

    def _report_error(self, row: Row, message: str) -> None:
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(RowError(row.number, message))
        self._on_row_error(row, message)
