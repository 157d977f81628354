"""What must be true at the end of the story about payment, as pure comparisons of independent sources.

The gateway's own list of charges, `cev verify` (which reads topics and stores by itself) and `cev effects`
must agree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.demo.promises import Promise


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was counted.

    Attributes:
        dispatched_orders: order ids that must be paid and dispatched.
        refunded_order: the one that was charged, could not be dispatched, and got its money back.
        declined_order: the one whose card was declined.
        verified: the document of `cev verify --json`.
        charges: the lines of `cev gateway --list --json`.
        dispatches: order ids in the lines of `cev effects warehouse --json`.
    """

    dispatched_orders: Sequence[str]
    refunded_order: str
    declined_order: str
    verified: Mapping[str, Any]
    charges: Sequence[Mapping[str, Any]]
    dispatches: Sequence[str]


def judge(figures: Figures) -> list[Promise]:
    """Every promise of the story."""
    verified, paid = figures.verified, sorted(figures.dispatched_orders)
    kept = sorted(_order_of(charge) for charge in figures.charges if not charge["refunded_cents"])
    returned = [charge for charge in figures.charges if charge["refunded_cents"]]
    charged = [_order_of(charge) for charge in figures.charges]
    return [
        Promise(
            f"{len(figures.dispatches)} orders dispatched, each once = {len(kept)} charges that were kept",
            sorted(figures.dispatches) == paid == kept,
        ),
        Promise(
            f"{len(charged)} cards charged, each once, whatever answer was lost or process killed",
            sorted(charged) == sorted([*paid, figures.refunded_order]) and not verified["duplicated"],
        ),
        Promise(
            f"{len(returned)} charged and not dispatched: all of its money is back",
            [_order_of(charge) for charge in returned] == [figures.refunded_order]
            and all(charge["refunded_cents"] == charge["amount_cents"] for charge in returned),
        ),
        Promise(
            "1 declined: no charge, no dispatch",
            figures.declined_order not in {*charged, *figures.dispatches},
        ),
        Promise(
            "nothing lost, doubled, made up or different",
            bool(verified["ok"])
            and not any(verified[name] for name in ("lost", "duplicated", "phantom", "different")),
        ),
    ]


def _order_of(charge: Mapping[str, Any]) -> str:
    return str(charge["key"]).split("/")[1]
