"""The reconciliation of orders in flows: whole conversations pass, and each fault shows in its own list."""

from collections.abc import Callable, Iterable

import pytest

from operations.verify.evidence import FLOW_READS, READS, OrderRecord, OrderResult, StoredEffect
from schemas.control import Flow
from schemas.errors import Position
from schemas.topics import (
    CAPTURE_PAYMENTS,
    DISPATCH_PRODUCTS,
    DISPATCH_RESULTS,
    ORDERS,
    PAYMENTS,
    SEND_NOTIFICATIONS,
)
from tests.support.drafts import EVENT, Draft, draft

ADDRESS, EMAIL, PHONE, SALE, AMOUNT = 11, 12, 13, 14, 15
LISTS = ("lost", "duplicated", "phantom", "different", "unpaid", "unresolved", "unseen")
ENDINGS = ("dispatched", "payment failed", "refunded")
TOLD = {"dispatched": "dispatched", "failed": "payment-failed", "refunded": "refunded"}
TOPIC_OF = {
    "capture": CAPTURE_PAYMENTS,
    "refund": CAPTURE_PAYMENTS,
    "captured": PAYMENTS,
    "failed": PAYMENTS,
    "refunded": PAYMENTS,
    "dispatched": DISPATCH_RESULTS,
    "rejected": DISPATCH_RESULTS,
}
STEPS_OF = {
    "dispatched": ("capture", "captured", "dispatched"),
    "payment failed": ("capture", "failed"),
    "refunded": ("capture", "captured", "rejected", "refund", "refunded"),
}
CASES = [(flow, ending) for flow in (Flow.COLLABORATION, Flow.PROCESS) for ending in ENDINGS]


def step(name: str, offset: int = 0) -> OrderRecord:
    topic = TOPIC_OF.get(name, SEND_NOTIFICATIONS)
    content = {"email": EMAIL, "text": PHONE, "dispatched": ADDRESS}.get(name.partition(":")[0], 0)
    amount = AMOUNT if name in ("capture", "captured") else 0
    return OrderRecord(Position(topic, 0, offset), content, name=name, amount=amount)


def conversation(flow: Flow, ending: str) -> Draft:
    """One order, number 7, that has come to its end; every group has passed everything."""
    world = Draft()
    fact = OrderRecord(Position(ORDERS, 0, 4), ADDRESS, EMAIL, PHONE, SALE, flow=flow.value, amount=AMOUNT)
    world.facts[7] = (fact,)
    names = [name for name in STEPS_OF[ending] if flow is Flow.PROCESS or name not in ("capture", "refund")]
    mails = [f"{channel}{suffix}" for channel in ("email", "text") for suffix in _suffixes(names)]
    if flow is Flow.PROCESS:
        names += mails
    world.steps[7] = tuple(step(name, offset) for offset, name in enumerate(names))
    world.effects["sales"][7] = (StoredEffect("sale", "counted", SALE, fact.position),)
    sources = {each.name: each.position for each in world.steps[7]}
    world.effects["notification"][7] = tuple(
        StoredEffect(
            name, "done", EMAIL if name.startswith("email") else PHONE, sources.get(name, fact.position)
        )
        for name in mails
    )
    if outcome := next((name for name in names if name in ("dispatched", "rejected")), None):
        cause = sources["captured"]
        if flow is Flow.PROCESS:
            cause = Position(DISPATCH_PRODUCTS, 0, 0)
            world.commands[7] = (OrderRecord(cause, ADDRESS, flow=flow.value),)
        world.effects["warehouse"][7] = (StoredEffect("dispatch", outcome, ADDRESS, cause),)
        world.results[7] = (OrderResult(outcome, ADDRESS if outcome == "dispatched" else 0),)
    for group, topics in {**READS, **FLOW_READS}.items():
        world.passed[group] = {(topic, 0): 100 for topic in topics}
    return world


def _suffixes(names: Iterable[str]) -> list[str]:
    return ["", *(f":{TOLD[name]}" for name in names if name in TOLD)]


def without(world: Draft, *names: str) -> None:
    world.steps[7] = tuple(each for each in world.steps[7] if each.name not in names)


def undispatched(world: Draft) -> None:
    """As if the warehouse had done nothing, and nobody had said anything of it."""
    without(world, "dispatched", "email:dispatched", "text:dispatched")
    mails = world.effects["notification"][7]
    world.effects["notification"][7] = tuple(mail for mail in mails if "dispatched" not in mail.name)
    world.effects["warehouse"].clear()
    world.results.clear()


def listed(world: Draft) -> dict[str, tuple[str, ...]]:
    reconciliation = world.reconciled()
    return {name: tuple(getattr(reconciliation, name)) for name in LISTS if getattr(reconciliation, name)}


@pytest.mark.parametrize(("flow", "ending"), CASES)
def test_a_conversation_that_came_to_its_end_is_ok_and_counted(flow: Flow, ending: str) -> None:
    reconciliation = conversation(flow, ending).reconciled()
    assert (reconciliation.ok, reconciliation.unseen) == (True, ())
    paid = ending != "payment failed"
    assert (reconciliation.captured, reconciliation.payment_failed) == (paid, not paid)
    assert reconciliation.refunded == (ending == "refunded")
    assert (reconciliation.accepted, reconciliation.notified, reconciliation.counted) == (1, 1, 1)
    assert reconciliation.in_flows == 1


def test_a_direct_order_owes_no_payment() -> None:
    reconciliation = draft([EVENT]).reconciled()
    assert (reconciliation.ok, reconciliation.in_flows, reconciliation.unseen) == (True, 0, ())


@pytest.mark.parametrize("flow", [Flow.COLLABORATION, Flow.PROCESS])
def test_an_order_that_nobody_has_come_to_is_unseen(flow: Flow) -> None:
    world = conversation(flow, "dispatched")
    for kept in (world.steps, world.commands, world.results, *world.effects.values(), *world.passed.values()):
        kept.clear()  # type: ignore[attr-defined]
    assert listed(world) == {"unseen": ("7",)}


def _payment_missing(world: Draft) -> None:
    undispatched(world)
    without(world, "captured")
    world.commands.clear()


def _payment_unknown(world: Draft) -> None:
    _payment_missing(world)
    effect = StoredEffect("capture", "unresolved", AMOUNT, Position(CAPTURE_PAYMENTS, 0, 0))
    world.effects["payments"][7] = (effect,)


def _payment_answered_at_a_timer(world: Draft) -> None:
    _payment_missing(world)
    effect = StoredEffect("capture", "captured", AMOUNT, Position("payments.timers", 0, 3))
    world.effects["payments"][7] = (effect,)


def _dispatch_missing(world: Draft) -> None:
    undispatched(world)


def _dispatch_without_payment(world: Draft) -> None:
    payment = step("failed", 50)
    without(world, "captured")
    mails = (step("email:payment-failed", 51), step("text:payment-failed", 52))
    world.steps[7] = (*world.steps[7], payment, *(mails if world.commands else ()))
    world.effects["notification"][7] += tuple(
        StoredEffect(each.name, "done", each.address, each.position if world.commands else payment.position)
        for each in mails
    )


def _paid_twice(world: Draft) -> None:
    world.steps[7] += (step("captured", 60),)


def _paid_and_not_paid(world: Draft) -> None:
    [captured] = [each for each in world.steps[7] if each.name == "captured"]
    _dispatch_without_payment(world)
    world.steps[7] += (captured,)


def _another_amount(world: Draft) -> None:
    world.steps[7] = tuple(
        each._replace(amount=99) if each.name == "captured" else each for each in world.steps[7]
    )


def _refunded_though_dispatched(world: Draft) -> None:
    world.steps[7] += (step("refunded", 60),)
    world.effects["notification"][7] += (
        StoredEffect("email:refunded", "done", EMAIL, Position(PAYMENTS, 0, 60)),
        StoredEffect("text:refunded", "done", PHONE, Position(PAYMENTS, 0, 60)),
    )


def _mail_missing(world: Draft) -> None:
    effects = world.effects["notification"][7]
    world.effects["notification"][7] = tuple(each for each in effects if each.name != "text:dispatched")


def _mail_to_another(world: Draft) -> None:
    effects = world.effects["notification"][7]
    world.effects["notification"][7] = tuple(
        each._replace(content=99) if each.name == "email:dispatched" else each for each in effects
    )


BOTH: list[tuple[Callable[[Draft], None], str]] = [
    (_payment_missing, "lost unpaid"),
    (_payment_unknown, "unresolved"),
    (_payment_answered_at_a_timer, "unseen"),
    (_dispatch_missing, "lost"),
    (_dispatch_without_payment, "phantom"),
    (_paid_twice, "duplicated"),
    (_paid_and_not_paid, "duplicated"),
    (_another_amount, "different"),
    (_refunded_though_dispatched, "phantom"),
    (_mail_missing, "lost"),
    (_mail_to_another, "different"),
]


@pytest.mark.parametrize("flow", [Flow.COLLABORATION, Flow.PROCESS])
@pytest.mark.parametrize(("fault", "expected"), BOTH)
def test_one_fault_of_an_order_in_a_flow_shows_in_exactly_its_lists(
    flow: Flow, fault: Callable[[Draft], None], expected: str
) -> None:
    world = conversation(flow, "dispatched")
    fault(world)
    assert listed(world) == dict.fromkeys(expected.split(), ("7",))
    assert world.reconciled().ok == (expected in ("unresolved", "unseen"))


def _capture_not_issued(world: Draft) -> None:
    _payment_missing(world)
    without(world, "capture")


def _payment_without_command(world: Draft) -> None:
    without(world, "capture")


def _dispatch_not_issued(world: Draft) -> None:
    undispatched(world)
    world.commands.clear()


def _dispatch_issued_twice(world: Draft) -> None:
    [command] = world.commands[7]
    world.commands[7] += (command._replace(position=Position(DISPATCH_PRODUCTS, 0, 9)),)


def _mail_issued_twice(world: Draft) -> None:
    world.steps[7] += (step("email:dispatched", 60),)


def _mail_not_issued(world: Draft) -> None:
    without(world, "text:dispatched")
    _mail_missing(world)


def _process_of_no_order(world: Draft) -> None:
    world.steps[8] = (step("capture", 70),)


def _process_of_an_order_of_another_flow(world: Draft) -> None:
    world.facts[7] = (world.facts[7][0]._replace(flow="direct"),)


@pytest.mark.parametrize(
    ("fault", "expected", "order_id"),
    [
        (_capture_not_issued, "lost unpaid", "7"),
        (_payment_without_command, "phantom", "7"),
        (_dispatch_not_issued, "lost", "7"),
        (_dispatch_issued_twice, "duplicated", "7"),
        (_mail_issued_twice, "duplicated", "7"),
        (_mail_not_issued, "lost", "7"),
        (_process_of_no_order, "phantom", "8"),
        (_process_of_an_order_of_another_flow, "phantom", "7"),
    ],
)
def test_every_command_of_a_process_is_issued_once_and_has_a_cause(
    fault: Callable[[Draft], None], expected: str, order_id: str
) -> None:
    world = conversation(Flow.PROCESS, "dispatched")
    fault(world)
    assert listed(world) == dict.fromkeys(expected.split(), (order_id,))


@pytest.mark.parametrize("flow", [Flow.COLLABORATION, Flow.PROCESS])
def test_a_refund_that_is_owed_and_missing_is_lost_or_unresolved(flow: Flow) -> None:
    world = conversation(flow, "refunded")
    without(world, "refunded", "email:refunded", "text:refunded")
    world.effects["notification"][7] = tuple(
        each for each in world.effects["notification"][7] if "refunded" not in each.name
    )
    assert listed(world) == {"lost": ("7",)}
    effect = StoredEffect("refund", "unresolved", 0, Position(CAPTURE_PAYMENTS, 0, 3))
    world.effects["payments"][7] = (effect,)
    assert listed(world) == {"unresolved": ("7",)}
    world.passed["payments"].clear()
    assert listed(world) == {"unseen": ("7",)}


def test_commands_that_were_cleaned_once_they_were_handled_are_not_missed() -> None:
    world = conversation(Flow.PROCESS, "refunded")
    world.commands.clear()
    world.steps[7] = tuple(
        each for each in world.steps[7] if each.position.topic in (PAYMENTS, DISPATCH_RESULTS)
    )
    world.starts |= {(topic, 0): 90 for topic in (CAPTURE_PAYMENTS, SEND_NOTIFICATIONS, DISPATCH_PRODUCTS)}
    for group in world.passed:
        world.latest[group] = dict(world.passed[group])
    assert world.reconciled().ok


def test_a_mail_that_a_direct_order_commands_is_owed_as_well() -> None:
    world = draft([EVENT])
    world.steps[7] = (step("email:promised", 3),)
    assert listed(world) == {"unseen": ("7",)}
    world.passed["notification"][SEND_NOTIFICATIONS, 0] = 4
    assert listed(world) == {"lost": ("7",)}


def test_a_dispatch_that_the_warehouse_has_not_come_to_is_unseen() -> None:
    world = conversation(Flow.PROCESS, "dispatched")
    undispatched(world)
    world.passed["warehouse"][DISPATCH_PRODUCTS, 0] = 0
    assert listed(world) == {"unseen": ("7",)}


@pytest.mark.parametrize("flow", [Flow.COLLABORATION, Flow.PROCESS])
def test_an_order_of_which_one_mail_is_missing_is_not_counted_as_notified(flow: Flow) -> None:
    world = conversation(flow, "dispatched")
    _mail_missing(world)
    assert world.reconciled().notified == 0


def test_a_command_whose_order_was_removed_from_the_log_is_no_phantom() -> None:
    world = conversation(Flow.PROCESS, "dispatched")
    _process_of_no_order(world)
    world.starts[ORDERS, 0] = 1
    assert listed(world) == {}


def test_a_mail_for_a_result_that_came_while_others_were_read_is_no_phantom() -> None:
    world = conversation(Flow.COLLABORATION, "dispatched")
    later = Position(DISPATCH_RESULTS, 0, 100)
    effects = world.effects["notification"][7]
    world.effects["notification"][7] = tuple(
        mail._replace(position=later) if mail.name == "email:dispatched" else mail for mail in effects
    )
    assert listed(world) == {}
    world.passed["notification"][later.topic_partition] = 101
    assert listed(world) == {"phantom": ("7",)}


def test_a_payment_that_the_warehouse_gave_up_leaves_a_dead_order() -> None:
    world = conversation(Flow.COLLABORATION, "dispatched")
    undispatched(world)
    [captured] = [each for each in world.steps[7] if each.name == "captured"]
    world.dead["warehouse"].add(captured.position)
    reconciliation = world.reconciled()
    assert (reconciliation.dead, reconciliation.ok) == (1, True)
