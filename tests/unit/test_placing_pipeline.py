"""How orders in bulk reach a client that is scripted. Touches no broker."""

from typing import Any

import pytest

from clients.config import Cluster
from producers.placing import publisher as module
from producers.placing.pending_order import OrderRenderer
from producers.placing.pipeline import Outcome, Pipeline
from producers.placing.request import OrderRequest
from schemas.codec import Codec
from schemas.control import Mode, ModeChanged


class Stored:
    """A report's message, as the client hands it over."""

    def topic(self) -> str:
        return "orders"

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 7

    def timestamp(self) -> tuple[int, int]:
        return 0, 0


class Client:
    """A producer whose records are stored at the next poll."""

    calls: list[str]

    def __init__(self, _config: dict[str, Any]) -> None:
        self._unreported: list[Any] = []

    def list_topics(self, *, timeout: float) -> None:
        del timeout
        self.calls.append("list_topics")

    def produce(self, *_record: Any, on_delivery: Any, **_more: Any) -> None:
        self.calls.append("produce")
        self._unreported.append(on_delivery)

    def poll(self, _timeout: float) -> None:
        while self._unreported:
            self._unreported.pop(0)(None, Stored())


def test_a_bulk_is_connected_before_its_first_order_which_else_waits_half_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "Producer", Client)
    monkeypatch.setattr(Client, "calls", [], raising=False)
    renderer = OrderRenderer(Codec(), lambda: ModeChanged(1, Mode.EVENT, 0, "me"), "EUR")
    outcomes: list[Outcome] = []
    cluster = Cluster(bootstrap="nowhere:1")
    with Pipeline[None](
        cluster, renderer, lambda _tag, outcome: outcomes.append(outcome), deadline_s=5
    ) as bulk:
        for _ in range(2):
            bulk.submit(None, OrderRequest(address="1 Streetford Road"))
    assert Client.calls == ["list_topics", "produce", "produce"]
    assert len(outcomes) == 2
