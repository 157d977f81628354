"""The second story: payment, by facts that answer facts and by a process manager, and what can go wrong."""

import time

from cli.demo.conversation_promises import Figures, judge
from cli.demo.stage import Stage, spelled
from cli.demo.telling import Teller

OK, DECLINED, LOST, BY_PROCESS, KILLED, LATE = (str(order_id) for order_id in range(12004, 12010))
_GROUPS = ("payments", "warehouse", "notification", "sales", "tracking")
_DEADLINE_S = 60.0
_SHORT_S = 0.5


class Conversation:
    """One telling.

    Args:
        stage: where it happens.
        teller: who tells it.
    """

    def __init__(self, stage: Stage, teller: Teller) -> None:
        self._stage = stage
        self._tell = teller

    def run(self) -> bool:
        """Tell all chapters; whether every promise was kept."""
        self._tell.title("command-event", "And payment? By facts alone, then by a process manager")
        self._world()
        self._facts()
        self._lost_answer()
        self._process()
        self._kill()
        self._compensation()
        return self._reckoning()

    def _world(self) -> None:
        self._tell.chapter("A broker, and a payment gateway that charges nobody")
        up = self._stage.lines("up", "--port", "0")[0]
        self._tell.ran(spelled("up", "--port", "0"))
        self._tell.say(f"   Apache Kafka answers at {up['bootstrap']}; the topics are there.")
        self._stage.start("gateway", "gateway", "--port", "0", "--json")
        self._stage.wait("the gateway answers", _DEADLINE_S, lambda: "\n" in self._stage.output("gateway"))
        url = str(self._stage.printed("gateway")[0]["url"])
        # All clocks are of this machine: a deadline is over soon after it has passed.
        self._stage.export(CEV_PAYMENT_URL=url, CEV_CLOCK_SKEW_S=str(_SHORT_S))
        self._tell.ran(f"{spelled('gateway')} &")
        self._stage.start("groups", "consume", *_GROUPS)
        self._tell.ran(f"{spelled('consume', *_GROUPS)} &")
        self._start_manager()

    def _facts(self) -> None:
        self._tell.chapter("By facts alone: facts answer facts")
        self._tell.say("   payments hears OrderPlaced, and the warehouse hears PaymentCaptured.\n")
        self._set_flow("collaboration")
        self._place(OK, "tok_ok")
        self._until(OK, "dispatched")
        self._show("order", "status", OK)
        self._tell.say("\n   A card is declined: the warehouse hears nothing of a payment.\n")
        self._place(DECLINED, "tok_declined")
        self._until(DECLINED, "payment failed")

    def _lost_answer(self) -> None:
        self._tell.chapter("The gateway charges, and its answer gets lost")
        self._place(LOST, "tok_lost_answer")
        self._until(LOST, "dispatched")
        self._show("gateway", "--list")
        self._tell.say("   It was asked what it had done under the order's key. Nobody was charged twice.")

    def _process(self) -> None:
        self._tell.chapter("By a process manager: it hears facts and issues commands")
        self._set_flow("process")
        self._place(BY_PROCESS, "tok_ok")
        self._until(BY_PROCESS, "dispatched")
        self._stage.wait("the process is completed", _DEADLINE_S, self._is_completed)
        self._show("process", "show", BY_PROCESS)

    def _kill(self) -> None:
        self._tell.chapter("The process manager is killed half-way")
        issued = self._stage.effects("fulfilment", "issued")
        self._place(KILLED, "tok_slow")
        self._stage.wait(
            "the payment is asked for",
            _DEADLINE_S,
            lambda: self._stage.effects("fulfilment", "issued") > issued,
        )
        pid = self._stage.kill("fulfilment")
        self._tell.ran(f"kill -9 {pid}   # CapturePayment is issued, and not answered")
        self._until(KILLED, "paid")
        self._tell.say("   Nobody asks for the dispatch until the manager is back.")
        self._start_manager()
        self._until(KILLED, "dispatched")
        self._tell.say("   It went on where it was: each command is issued once.")

    def _compensation(self) -> None:
        self._tell.chapter("Charged, and too late to be dispatched: the money goes back")
        self._tell.say("   The card takes 3 seconds, and the customer waits for 1.\n")
        self._place(LATE, "tok_slow", "--expires-in", "1")
        self._until(LATE, "refunded")
        self._show("order", "status", LATE)

    def _reckoning(self) -> bool:
        self._tell.chapter("The reckoning")
        verified = self._stage.lines("verify", "--wait", "60")[0]
        self._tell.ran(spelled("verify", "--wait", "60"))
        self._show("gateway", "--list")
        promises = judge(
            Figures(
                dispatched_orders=(OK, LOST, BY_PROCESS, KILLED),
                refunded_order=LATE,
                declined_order=DECLINED,
                verified=verified,
                charges=self._stage.lines("gateway", "--list"),
                dispatches=[str(line["order_id"]) for line in self._stage.lines("effects", "warehouse")],
            )
        )
        for promise in promises:
            self._tell.held(promise.text, kept=promise.kept)
        return all(promise.kept for promise in promises)

    def _start_manager(self) -> None:
        self._stage.start("fulfilment", "consume", "fulfilment")
        self._tell.ran(f"{spelled('consume', 'fulfilment')} &")

    def _set_flow(self, flow: str) -> None:
        command = ("mode", "set", "event", "--flow", flow)
        self._stage.cev(*command)
        self._tell.ran(spelled(*command))

    def _place(self, order_id: str, token: str, *more: str) -> None:
        address = ("--address", "1 Streetford Road", "--email", "ada@example.com")
        what = ("--item", "kettle:1:3499", "--pay", token, *more)
        command = ("order", "place", "--order-id", order_id, *address, *what)
        self._tell.ran(spelled(*command), self._stage.cev(*command))

    def _until(self, order_id: str, state: str) -> None:
        command = ("order", "status", order_id, "--wait", state, "--timeout", f"{_DEADLINE_S:g}")
        began = time.monotonic()
        self._stage.cev(*command)
        self._tell.say(f"   {order_id} is {state} after {time.monotonic() - began:.1f} s.")

    def _is_completed(self) -> bool:
        return bool(self._stage.lines("process", "show", BY_PROCESS)[0]["status"] == "completed")

    def _show(self, *command: str) -> None:
        self._tell.ran(spelled(*command), self._stage.cev(*command))
