"""The promises of `cev demo payments` break where one of the figures is wrong."""

from dataclasses import replace
from typing import Any

import pytest

from cli.demo.conversation_promises import Figures, judge


def charge(order_id: str, refunded_cents: int = 0) -> dict[str, Any]:
    key = f"payments/{order_id}/capture"
    return {"key": key, "amount_cents": 3499, "refunded_cents": refunded_cents}


VERIFIED = {"ok": True, "lost": [], "duplicated": [], "phantom": [], "different": []}
GOOD = Figures(
    dispatched_orders=("1", "2"),
    refunded_order="3",
    declined_order="4",
    verified=VERIFIED,
    charges=[charge("1"), charge("2"), charge("3", 3499)],
    dispatches=["2", "1"],
)


def test_all_promises_are_kept_where_every_figure_is_right() -> None:
    assert all(promise.kept for promise in judge(GOOD))


@pytest.mark.parametrize(
    ("wrong", "broken"),
    [
        (replace(GOOD, dispatches=["1"]), [0]),
        (replace(GOOD, dispatches=["1", "2", "2"]), [0]),
        (replace(GOOD, charges=[charge("1"), charge("1"), charge("3", 3499)]), [0, 1]),
        (replace(GOOD, charges=[charge("1"), charge("2"), charge("3")]), [0, 2]),
        (replace(GOOD, charges=[charge("1"), charge("2"), charge("3", 3498)]), [2]),
        (replace(GOOD, dispatches=["1", "2", "4"]), [0, 3]),
        (replace(GOOD, verified=VERIFIED | {"duplicated": ["1"]}), [1, 4]),
        (replace(GOOD, verified=VERIFIED | {"ok": False}), [4]),
    ],
)
def test_a_promise_is_broken_where_a_figure_is_wrong(wrong: Figures, broken: list[int]) -> None:
    assert [index for index, promise in enumerate(judge(wrong)) if not promise.kept] == broken
