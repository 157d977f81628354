"""What the gateway has charged, refunded and declined: one SQLite file.

Promises: what is answered is on the disk before (`synchronous=FULL`), so a `kill -9` between a charge and its
answer forgets nothing. A key is charged once, whatever comes at the same time: deciding and writing are one
transaction that holds the write lock.

I/O: the file `gateway.db` in a folder.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from databases.connect import read_transaction, sqlite_engine
from gateway.messages import Payment, PaymentRequest
from gateway.tokens import Kind, decide
from schemas.errors import OperationFailed
from schemas.times import now_ms

FILE = "gateway.db"
_LOCK_WAIT_S = 30.0

_METADATA = MetaData()
_PAYMENTS = Table(
    "payments",
    _METADATA,
    Column("kind", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("amount_cents", BigInteger, nullable=False),
    Column("currency", String, nullable=False),
    Column("source", String, nullable=False),
    Column("token", String, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("first_asked_at", BigInteger, nullable=False),
    Column("reference", String, unique=True),
    Column("reason", String),
)
_REFUNDS = _PAYMENTS.alias("refunds")


class KeyReused(Exception):
    """A key came again with another amount, currency, method or reference."""


class PaymentStore:
    """The payments of one gateway.

    Args:
        folder: where its file is, or is made.

    Raises:
        OperationFailed: the file cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._engine = sqlite_engine(
            f"sqlite:///{self.path}", lock_wait_s=_LOCK_WAIT_S, poolclass=QueuePool, write_ahead=True
        )
        try:
            _METADATA.create_all(self._engine)
        except SQLAlchemyError as error:
            reason = getattr(error, "orig", None) or error
            raise OperationFailed(f"the gateway's store {self.path} cannot be used: {reason}") from error

    def handle(self, request: PaymentRequest) -> Payment:
        """Count a request, and charge, refund or decline if that is due and was not done before.

        Returns:
            The payment with this request counted.

        Raises:
            KeyReused: the key stands for something else.
        """
        with self._engine.begin() as connection:
            before = _find(connection, request.kind, request.key)
            if before is not None and before.request != request:
                raise KeyReused(f"{request.key} was used with another amount, currency or method")
            payment = before or _first(connection, request)
            counted = _settled(connection, replace(payment, asked=payment.asked + 1))
            _write(connection, counted, is_new=before is None)
            return counted

    def find(self, kind: Kind, key: str) -> Payment | None:
        """What became of a key; None if nobody has asked for it."""
        with self._reading() as connection:
            return _find(connection, kind, key)

    def charges(self) -> list[Payment]:
        """Every capture that was charged, in the order of the first requests."""
        refunded = (
            select(func.coalesce(func.sum(_REFUNDS.c.amount_cents), 0))
            .where(_REFUNDS.c.source == _PAYMENTS.c.reference, _REFUNDS.c.reference.is_not(None))
            .scalar_subquery()
        )
        query = (
            select(*_PAYMENTS.c, refunded.label("refunded"))
            .where(_PAYMENTS.c.kind == "capture", _PAYMENTS.c.reference.is_not(None))
            .order_by(_PAYMENTS.c.first_asked_at, _PAYMENTS.c.key)
        )
        with self._reading() as connection:
            rows = connection.execute(query).mappings()
            return [replace(_payment(row), refunded_cents=row["refunded"]) for row in rows]

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._engine.connect() as connection, read_transaction(connection):
            yield connection


def _find(connection: Connection, kind: Kind, key: str) -> Payment | None:
    query = select(_PAYMENTS).where(_PAYMENTS.c.kind == kind, _PAYMENTS.c.key == key)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _payment(row)


def _payment(row: RowMapping) -> Payment:
    request = PaymentRequest(
        kind=row["kind"],
        key=row["key"],
        amount_cents=row["amount_cents"],
        currency=row["currency"],
        source=row["source"],
    )
    return Payment(
        request=request,
        token=row["token"],
        asked=row["asked"],
        first_asked_at=row["first_asked_at"],
        reference=row["reference"],
        reason=row["reason"],
    )


def _first(connection: Connection, request: PaymentRequest) -> Payment:
    if request.kind == "capture":
        return Payment(request=request, token=request.source, asked=0, first_asked_at=now_ms())
    query = select(_PAYMENTS.c.token).where(
        _PAYMENTS.c.kind == "capture", _PAYMENTS.c.reference == request.source
    )
    token = connection.execute(query).scalar_one_or_none()
    return Payment(request=request, token=token or "", asked=0, first_asked_at=now_ms())


def _settled(connection: Connection, payment: Payment) -> Payment:
    if payment.settled:
        return payment
    request = payment.request
    decision = decide(request.kind, payment.token, payment.asked - 1)
    if decision is None:
        return payment
    reason = decision.reason
    if request.kind == "refund":
        reason = _unrefundable(connection, request) or reason
    if reason is not None:
        return replace(payment, reason=reason)
    return replace(payment, reference=f"{request.kind}_{secrets.token_hex(8)}")


def _unrefundable(connection: Connection, request: PaymentRequest) -> str | None:
    """Why a refund cannot be, or None."""
    capture = select(_PAYMENTS.c.amount_cents, _PAYMENTS.c.currency).where(
        _PAYMENTS.c.kind == "capture", _PAYMENTS.c.reference == request.source
    )
    captured = connection.execute(capture).one_or_none()
    if captured is None:
        return "no capture has this reference"
    if captured.currency != request.currency:
        return f"the capture is in {captured.currency}"
    given = select(func.coalesce(func.sum(_REFUNDS.c.amount_cents), 0)).where(
        _REFUNDS.c.source == request.source, _REFUNDS.c.reference.is_not(None)
    )
    left = captured.amount_cents - connection.execute(given).scalar_one()
    return None if request.amount_cents <= left else f"more than the {left} that are left of the capture"


def _write(connection: Connection, payment: Payment, *, is_new: bool) -> None:
    request = payment.request
    changed = {"asked": payment.asked, "reference": payment.reference, "reason": payment.reason}
    if not is_new:
        same = (_PAYMENTS.c.kind == request.kind) & (_PAYMENTS.c.key == request.key)
        connection.execute(update(_PAYMENTS).where(same).values(changed))
        return
    row = {**vars(request), **changed, "token": payment.token, "first_asked_at": payment.first_asked_at}
    connection.execute(insert(_PAYMENTS).values(row))
