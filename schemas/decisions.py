"""The headers of an operator's decisions: their names, their writers and their parsers. Pure.

A decision is a record on the group's own retry topic, so it is as durable as the dead letter, and no table
beside the log has to agree with it:

    redriven    key and value of the dead letter; its headers, and `redrive-id`, `redrive-of`, `redrive-by`,
                `redrive-why`
    discarded   its key and no value; where it first came from (`kafka_dlt-original-…`), and `redrive-id`,
                `redrive-of`, `discard-by`, `discard-why`
    resolved    not about a dead letter, but about a payment of unknown outcome: the order's key, no value,
                and `redrive-id`, `resolve-outcome`, `resolve-reference`, `resolve-by`, `resolve-why`

`redrive-of` is the dead letter's own position, TOPIC:PARTITION:OFFSET. Of a doubled header the last counts.

The names are reserved: headers that a sender wrote under them are dropped. A record with a `discard-why` of
its sender would be taken for a marker, and its order would be lost without a decision.
"""

import re
from typing import Literal, NamedTuple

from schemas.dead_letters import ORIGIN
from schemas.envelope import Headers
from schemas.errors import Position

DecisionKind = Literal["redriven", "discarded"]

REDRIVE_ID = "redrive-id"
REDRIVE_OF = "redrive-of"
REDRIVE_BY = "redrive-by"
REDRIVE_WHY = "redrive-why"
DISCARD_BY = "discard-by"
DISCARD_WHY = "discard-why"
RESOLVE_OUTCOME = "resolve-outcome"
RESOLVE_REFERENCE = "resolve-reference"
RESOLVE_BY = "resolve-by"
RESOLVE_WHY = "resolve-why"

RESERVED = frozenset(
    (
        *(REDRIVE_ID, REDRIVE_OF, REDRIVE_BY, REDRIVE_WHY, DISCARD_BY, DISCARD_WHY),
        *(RESOLVE_OUTCOME, RESOLVE_REFERENCE, RESOLVE_BY, RESOLVE_WHY),
    )
)
"""Header names that only an operator's command writes."""

_POSITION = re.compile(r"([a-zA-Z0-9._-]{1,249}):(\d{1,9}):(\d{1,18})\Z", re.ASCII)


class Run(NamedTuple):
    """One run of an operator's command: its id, who gave it as user@host, and why (may be empty)."""

    id: str
    by: str
    why: str


class Decision(NamedTuple):
    """What an operator decided about one dead letter; None is what the headers do not say.

    Attributes:
        how: `redriven` or `discarded`.
        by: who, as user@host.
        why: the reason.
        at: ms since the epoch, UTC.
        run: the id of the command's run.
    """

    how: DecisionKind
    by: str | None
    why: str | None
    at: int
    run: str | None


class PaymentResolved(NamedTuple):
    """An operator says what became of a payment whose outcome nobody knew.

    Attributes:
        order_id: whose; also the record's key.
        outcome: `captured` or `failed`.
        reference: what the payment gateway calls the capture; None where it failed.
        by: who, as user@host.
        why: the reason.
    """

    order_id: int
    outcome: Literal["captured", "failed"]
    reference: str | None
    by: str
    why: str


def resolve_headers(resolved: PaymentResolved, run_id: str) -> list[tuple[str, str | bytes | None]]:
    """Headers of a record that resolves a payment; it has the order's key, and no value."""
    reference = [] if resolved.reference is None else [(RESOLVE_REFERENCE, resolved.reference)]
    return [
        (REDRIVE_ID, run_id),
        (RESOLVE_OUTCOME, resolved.outcome),
        *reference,
        (RESOLVE_BY, resolved.by),
        (RESOLVE_WHY, resolved.why),
    ]


def resolved_payment(headers: Headers, order_id: int) -> PaymentResolved | None:
    """What a record on a retry topic says about a payment; None if it resolves none.

    Args:
        headers: of the record; anybody may have written it.
        order_id: its key.
    """
    values = dict(headers)
    outcome, reference = _text(values.get(RESOLVE_OUTCOME)), _text(values.get(RESOLVE_REFERENCE))
    by, why = _text(values.get(RESOLVE_BY)) or "", _text(values.get(RESOLVE_WHY)) or ""
    if outcome == "captured" and reference:
        return PaymentResolved(order_id, "captured", reference, by, why)
    return PaymentResolved(order_id, "failed", None, by, why) if outcome == "failed" else None


def redrive_headers(headers: Headers, of: Position, run: Run) -> list[tuple[str, str | bytes | None]]:
    """Headers of a record that is sent to its group once more.

    Args:
        headers: of the dead letter; its first origin is among them and stays.
        of: where the dead letter lies.
        run: who and why.
    """
    kept = [(name, value) for name, value in headers if name not in RESERVED]
    reason = [(REDRIVE_WHY, run.why)] if run.why else []
    return [*kept, (REDRIVE_ID, run.id), (REDRIVE_OF, str(of)), (REDRIVE_BY, run.by), *reason]


def discard_headers(headers: Headers, of: Position, run: Run) -> list[tuple[str, str | bytes | None]]:
    """Headers of a marker; the origin goes with it, so that a discard is known after its dead letter is gone.

    Args:
        headers: of the dead letter.
        of: where the dead letter lies.
        run: who and why.
    """
    origin = [(name, value) for name, value in headers if name.startswith(ORIGIN)]
    return [
        *origin,
        (REDRIVE_ID, run.id),
        (REDRIVE_OF, str(of)),
        (DISCARD_BY, run.by),
        (DISCARD_WHY, run.why),
    ]


def decided_letter(headers: Headers, topic: str) -> tuple[int, int] | None:
    """Partition and offset of the dead letter that a record decides; None if it decides none.

    Args:
        headers: of a record on a retry topic; anybody may have written it.
        topic: the dead-letter topic that this retry topic belongs to: no other's letters are decided here.
    """
    named = _POSITION.match(_text(dict(headers).get(REDRIVE_OF)) or "")
    return (int(named[2]), int(named[3])) if named is not None and named[1] == topic else None


def parse(headers: Headers, at: int) -> Decision:
    """The decision that a record says.

    Args:
        headers: of the record.
        at: its timestamp, ms UTC.
    """
    values = dict(headers)
    is_discarded = is_discard(headers)
    return Decision(
        "discarded" if is_discarded else "redriven",
        _text(values.get(DISCARD_BY if is_discarded else REDRIVE_BY)),
        _text(values.get(DISCARD_WHY if is_discarded else REDRIVE_WHY)),
        at,
        _text(values.get(REDRIVE_ID)),
    )


def is_discard(headers: Headers) -> bool:
    """Whether a record on a retry topic is a marker, and not one to handle."""
    names = {name for name, _ in headers}
    return DISCARD_WHY in names and REDRIVE_OF in names


def _text(value: str | bytes | None) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
