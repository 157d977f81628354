"""What a member asks of its group before it joins."""

from threading import Event
from typing import Any

import pytest

from clients.config import Cluster
from consumers.runtime import copy_fence
from consumers.runtime.copy_fence import CopyFence
from consumers.runtime.stores.store import Identity
from schemas.errors import BrokerUnreachable, OperationFailed


class Bench:
    """A store that knows its member, and the events that a fence reports."""

    name = "s"

    def __init__(self) -> None:
        self.members = self
        self.outages: list[BrokerUnreachable] = []

    def register(self, _slot: int, _at: int) -> str:
        return "a" * 32

    def known(self, tokens: set[str]) -> dict[str, bool]:
        return dict.fromkeys(tokens, True)

    def idle(self, error: BrokerUnreachable) -> None:
        self.outages.append(error)


def test_a_group_that_cannot_be_asked_is_an_outage_and_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: list[Any] = [OperationFailed("the broker refused: Group authorization failed"), []]

    def group_members(*_: object) -> list[Any]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    monkeypatch.setattr(copy_fence, "group_members", group_members)
    monkeypatch.setattr(copy_fence, "_ASK_AGAIN_S", 0.0)
    bench: Any = Bench()
    fence = CopyFence(Cluster(bootstrap="nowhere:1"), bench, Identity("b" * 32, "sales", "c", 1), 0, 1)
    fence.wait(Event(), bench)
    assert answers == []
    [outage] = bench.outages
    assert "Group authorization failed" in str(outage)
