"""What must be true at the end of the story, as pure comparisons of figures from independent sources.

The writers' own counts, `cev verify` (which reads topics and stores by itself) and `cev effects` must agree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Promise(NamedTuple):
    """A sentence with its figures, and whether it is true."""

    text: str
    kept: bool


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was counted.

    Attributes:
        written: orders by the mode that they were written in, counted by the writers.
        verified: the document of `cev verify --json`.
        dispatches: order ids in the lines of `cev effects warehouse --json`.
        notified: the same of `cev effects notification`.
        counted: the same of `cev effects sales`.
        alone: order ids known to have been placed as commands alone.
    """

    written: Mapping[str, int]
    verified: Mapping[str, Any]
    dispatches: Sequence[str]
    notified: Sequence[str]
    counted: Sequence[str]
    alone: Sequence[str]


def judge(figures: Figures) -> list[Promise]:
    """Every promise of the story."""
    verified = figures.verified
    total = sum(figures.written.values())
    facts = figures.written.get("shadow", 0) + figures.written.get("event", 0)
    commands = figures.written.get("command", 0)
    dispatched = len(set(figures.dispatches))
    mailed, sold = set(figures.notified), set(figures.counted)
    once = dispatched == len(figures.dispatches) and not verified["duplicated"]
    alone = set(figures.alone)
    mails, sales = len(mailed & alone), len(sold & alone)
    return [
        Promise(
            f"{total} orders accepted = {dispatched} dispatched, each once",
            total == verified["accepted"] == verified["dispatched"] == dispatched and once,
        ),
        Promise(
            f"{facts} placed as facts = {len(mailed)} notified = {len(sold)} counted, each once",
            facts
            == verified["facts"]
            == verified["notified"]
            == verified["counted"]
            == len(mailed)
            == len(sold),
        ),
        Promise(
            f"{commands} placed as commands alone: {mails} mails, {sales} sales",
            not mails and not sales and verified["accepted"] - verified["facts"] == commands,
        ),
        Promise(
            "nothing lost, doubled, made up or different",
            bool(verified["ok"])
            and not any(verified[name] for name in ("lost", "duplicated", "phantom", "different")),
        ),
    ]
