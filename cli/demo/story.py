"""The chapters, in order: from one command with one listener to a fact that anyone may use."""

import json
import time
from collections.abc import Callable

from cli.demo.promises import Figures, judge
from cli.demo.stage import Stage, spelled
from cli.demo.telling import Scene, Teller

PAGE = (
    ("12004", "1 Streetford Road"),
    ("12005", "2 Roadford Avenue"),
    ("12006", "3 Avenue Fordstreet"),
)
"""The three rows of the pattern's page."""

COUNT, RATE = 720, 60
_SHADOW_AT, _EVENT_AT, _KILL_AT, _BACK_AT = 2.5, 5.0, 7.0, 8.0
_DEADLINE_S = 60.0


class Story:
    """One telling.

    Args:
        stage: where it happens.
        teller: who tells it.
    """

    def __init__(self, stage: Stage, teller: Teller) -> None:
        self._stage = stage
        self._tell = teller
        self._written: dict[str, int] = {}

    def run(self) -> bool:
        """Tell all chapters; whether every promise was kept."""
        self._tell.title("command-event", "[BUY], first as a command, then as a fact, on a real Apache Kafka")
        self._broker()
        self._command()
        self._silence()
        self._switch()
        self._late()
        return self._reckoning()

    def _broker(self) -> None:
        self._tell.chapter("A broker of your own")
        began = time.monotonic()
        up = self._stage.lines("up", "--port", "0")[0]
        seconds = time.monotonic() - began
        self._tell.ran(spelled("up", "--port", "0"))
        self._tell.say(
            f"   Apache Kafka answers at {up['bootstrap']} after {seconds:.1f} s; the topics are there."
        )
        for group in ("warehouse", "notification", "sales"):
            self._stage.start(group, "consume", group)
            self._tell.ran(f"{spelled('consume', group)} &")

    def _command(self) -> None:
        self._tell.chapter("[BUY] writes a command: DispatchProduct, for one reader")
        for order_id, address in PAGE:
            command = ("order", "place", "--order-id", order_id, "--address", address)
            self._tell.ran(spelled(*command), self._stage.cev(*command))
        self._stage.wait(
            "the warehouse dispatches the three orders",
            _DEADLINE_S,
            lambda: self._stage.effects("warehouse", "dispatched") >= len(PAGE),
        )
        self._written["command"] = len(PAGE)
        self._tell.ran(spelled("effects", "warehouse"), self._stage.cev("effects", "warehouse"))

    def _silence(self) -> None:
        self._tell.chapter("Growing pains: who told notification and sales?")
        mails = self._stage.effects("notification", "intended", "done")
        sales = self._stage.effects("sales", "counted")
        self._tell.say(
            f"   Both have been listening all the time: {mails} mails, {sales} sales. Nobody told them.\n"
            "   A command knows its one receiver; each new interest would be one more change behind [BUY]."
        )

    def _switch(self) -> None:
        self._tell.chapter("The switch, while orders keep coming")
        self._tell.say(
            "   In shadow both records are written and the command decides; in event the fact decides.\n"
            "   Each order says itself which path is its own: no consumer is told, and none restarts.\n"
            "   Then the warehouse is killed.\n"
        )
        load = ("order", "load", "--count", str(COUNT), "--rate", str(RATE), "--json")
        self._tell.ran(f"{spelled(*load)} &")
        self._stage.start("load", *load)
        acts: list[tuple[float, Callable[[], str]]] = [
            (_SHADOW_AT, lambda: self._set("shadow", "compare first")),
            (_EVENT_AT, lambda: self._set("event", "the comparison is clean")),
            (_KILL_AT, self._kill),
            (_BACK_AT, self._back),
        ]
        with self._tell.scene() as show:
            self._play(acts, show)
        modes: dict[str, int] = json.loads(self._stage.output("load").splitlines()[-1])["modes"]
        for mode, count in modes.items():
            self._written[mode] = self._written.get(mode, 0) + count
        per_mode = ", ".join(f"{count} in {mode}" for mode, count in modes.items())
        self._tell.say(f"   The writer followed the mode without a restart: {per_mode}.")

    def _play(self, acts: list[tuple[float, Callable[[], str]]], show: Scene) -> None:
        began = time.monotonic()
        total = len(PAGE) + COUNT

        def figures() -> dict[str, object]:
            return {
                "seconds": f"{time.monotonic() - began:4.1f}",
                "dispatched": f"{self._stage.effects('warehouse', 'dispatched'):>3}/{total}",
                "mails and texts": self._stage.effects("notification", "done"),
                "sales": self._stage.effects("sales", "counted"),
            }

        def over() -> bool:
            show(figures())
            while acts and time.monotonic() - began >= acts[0][0]:
                show(figures(), acts.pop(0)[1]())
            done = self._stage.effects("warehouse", "dispatched") >= total
            return not acts and done and not self._stage.alive("load")

        self._stage.wait("every order is dispatched", COUNT / RATE + _DEADLINE_S, over)

    def _set(self, mode: str, why: str) -> str:
        command = ("mode", "set", mode, "--why", why)
        self._stage.cev(*command)
        return f"$ {spelled(*command)}"

    def _kill(self) -> str:
        return f"$ kill -9 {self._stage.kill('warehouse')}   # the warehouse, in the middle of it"

    def _back(self) -> str:
        self._stage.start("warehouse", "consume", "warehouse")
        return f"$ {spelled('consume', 'warehouse')} &   # and back again"

    def _late(self) -> None:
        self._tell.chapter("A late joiner reads the whole history")
        command = ("consume", "loyalty", "--until-idle", "1")
        self._stage.cev(*command)
        self._tell.ran(spelled(*command))
        customers = self._stage.lines("effects", "loyalty")
        orders = sum(int(customer["orders"]) for customer in customers)
        points = sum(int(customer["points"]) for customer in customers)
        self._tell.say(
            f"   loyalty was not there when these orders were placed: {points} points for {len(customers)} "
            f"customers\n   from {orders} orders. Nothing behind [BUY] changed, and no mail was sent twice."
        )

    def _reckoning(self) -> bool:
        self._tell.chapter("The reckoning")
        verified = self._stage.lines("verify", "--wait", "60")[0]
        self._tell.ran(spelled("verify", "--wait", "60"))

        def ids(group: str) -> list[str]:
            return [str(line["order_id"]) for line in self._stage.lines("effects", group)]

        promises = judge(
            Figures(
                written=self._written,
                verified=verified,
                dispatches=ids("warehouse"),
                notified=ids("notification"),
                counted=ids("sales"),
                alone=[order_id for order_id, _ in PAGE],
            )
        )
        for promise in promises:
            self._tell.held(promise.text, kept=promise.kept)
        return all(promise.kept for promise in promises)
