"""Stopped (SIGSTOP) with a batch in hand, replaced, continued (design §7, point 4).

The one that goes on may poll once before it commits: a client that polls has joined again, and from then on
metadata asked for at commit time would be accepted (KIP-447 checks the member's epoch, nothing else). So the
metadata travels with the batch, and a partition that was taken away is remembered.
"""

import signal
from typing import TYPE_CHECKING, NamedTuple

import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest

from consumers.runtime.stores import store as store_module
from tests.support.consumers.harness import ConsumerHarness
from tests.support.crash.points import Point
from tests.support.crash.scenarios import QUICK, SCENARIOS
from tests.support.kafka.leave_group import leave_group
from tests.support.kafka.log import until
from tests.support.stores.postgres import STORE_KINDS

if TYPE_CHECKING:
    import subprocess


class Stop(NamedTuple):
    """Where a member of a group stops, and whether it polls before it goes on from there."""

    group: str
    point: Point
    rejoins: bool


_DECIDING = Point("deciding", "react:before", 9)
_STORED = Point("the store has the batch", "store.commit(insert effects):after", 2)
_MAIL = Point("a mail is about to be handed over", "mail.deliver:before", 2)
STOPS = [
    Stop("warehouse", Point("looked up, nothing decided", "store.select effects:after", 2), rejoins=False),
    Stop("warehouse", _DECIDING, rejoins=True),
    Stop("warehouse", _STORED, rejoins=False),
    Stop("warehouse", Point("ownership is checked", "producer.begin_transaction:before", 2), rejoins=True),
    Stop("warehouse", Point("results are acknowledged", "producer.flush:after", 2), rejoins=True),
    Stop("sales", _DECIDING, rejoins=True),
    Stop("sales", _STORED, rejoins=False),
    Stop("notification", _MAIL, rejoins=False),
    Stop("notification", _MAIL, rejoins=True),
]


def stopped(child: "subprocess.Popen[str]") -> bool:
    assert child.poll() is None, child.communicate()
    return str(psutil.Process(child.pid).status()) == "stopped"


@pytest.mark.parametrize(
    ("stop", "store_kind"),
    [
        pytest.param(
            stop,
            store_kind,
            marks=[pytest.mark.full] * (store_kind != "sqlite" and not stop.point.in_store),
            id=f"{stop.group}: {stop.point.name}{', then it polls' * stop.rejoins}-{store_kind}",
        )
        for stop in STOPS
        for store_kind in STORE_KINDS
    ],
)
def test_a_member_that_stood_still_while_another_took_over_commits_nothing_twice(
    shop: ConsumerHarness, stop: Stop
) -> None:
    scenario, reads = SCENARIOS[stop.group], SCENARIOS[stop.group].reads
    scenario.write(shop)
    zombie = shop.cev("consume", stop.group, code=stop.point.stopped(rejoins=stop.rejoins), **QUICK)
    until(lambda: stopped(zombie), "the member stops itself")
    leave_group(shop.bootstrap, stop.group)
    heir = shop.cev("consume", stop.group, **QUICK)
    until(lambda: heir.poll() is not None or shop.lag(stop.group, reads) == 0, "another one finishes")
    assert heir.poll() is None, heir.communicate()
    done = shop.committed(stop.group, reads)
    zombie.send_signal(signal.SIGCONT)
    until(lambda: zombie.poll() is not None or shop.members(stop.group) == 2, "the stopped one is back")
    for each in (zombie, heir):
        each.send_signal(signal.SIGTERM)
        _, told = each.communicate(timeout=60)
        assert each.returncode == 0, told
        if each is zombie and stop.group != "notification":
            assert "the group moved on" in told or "fenced" in told, "it tried to commit, and was refused"
    assert shop.committed(stop.group, reads) == done
    scenario.check(shop)


@pytest.mark.parametrize("store_kind", STORE_KINDS)
@pytest.mark.parametrize("ending", [pytest.param(signal.SIGKILL, marks=pytest.mark.full), signal.SIGCONT])
def test_a_member_that_stands_still_inside_a_write_delays_the_others_and_costs_nothing(
    shop: ConsumerHarness, ending: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = SCENARIOS["warehouse"]
    # The server ends the zombie's write after twice the zombie's own wait: the heir has given up before.
    monkeypatch.setattr(store_module, "LOCK_WAIT_S", 2.0)
    heir = shop.member("warehouse")
    until(lambda: heir.status.owned, "one member is there")
    point = Point("inside a write", "store.insert effects:after")
    zombie = shop.cev("consume", "warehouse", code=point.stopped())
    until(lambda: shop.members("warehouse") == 2 and heir.status.owned < 24, "another one shares")
    scenario.write(shop)
    shop.flush()
    until(lambda: stopped(zombie), "it stops inside its transaction")
    until(lambda: heir.status.outage, "the others fail within their lock timeout")
    assert heir.status.failure is None
    zombie.send_signal(ending)
    until(lambda: heir.status.failure or shop.lag("warehouse", scenario.reads) == 0, "they go on")
    if ending == signal.SIGCONT:
        zombie.send_signal(signal.SIGTERM)
        _, told = zombie.communicate(timeout=60)
        assert zombie.returncode == 0, told
    heir.stop()
    scenario.check(shop)
