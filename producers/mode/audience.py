"""Who acts on the orders of a mode and flow, and whether they live, as far as the broker knows.

`mode set` warns with it and never refuses: gates that refuse belong to the migration tool (design §6).

I/O: Kafka (describes consumer groups, with a deadline).
"""

from collections.abc import Collection, Mapping

from clients.admin import Admin
from clients.config import Cluster
from clients.groups import group_members
from schemas.control import Flow, Mode
from schemas.errors import CommandEventError
from schemas.topics import BY_NAME, CAPTURE_PAYMENTS, DISPATCH_PRODUCTS, FULFILMENT_TIMERS, ORDERS

WAREHOUSE = BY_NAME[DISPATCH_PRODUCTS].owner
"""The one group that dispatches, on the command or on the fact."""
_PAYMENTS = BY_NAME[CAPTURE_PAYMENTS].owner
_FULFILMENT = BY_NAME[FULFILMENT_TIMERS].owner


def audience(mode: str, flow: str) -> Mapping[str, str]:
    """The groups without which an order stands still, each with the topic that it acts on (design §6, §10).

    Args:
        mode: the value of a `Mode`.
        flow: the value of a `Flow`.
    """
    if mode != Mode.EVENT:
        return {WAREHOUSE: DISPATCH_PRODUCTS}
    if flow == Flow.PROCESS:
        return {_FULFILMENT: ORDERS, _PAYMENTS: CAPTURE_PAYMENTS, WAREHOUSE: DISPATCH_PRODUCTS}
    return {WAREHOUSE: ORDERS} | ({_PAYMENTS: ORDERS} if flow == Flow.COLLABORATION else {})


def missing_consumer_warnings(
    cluster: Cluster, mode: Mode, flow: Flow = Flow.DIRECT, *, timeout_s: float = 10.0
) -> list[str]:
    """A warning for each group of a mode and flow that has no live member at its topic.

    A broker that does not answer in time is a warning too, not an error.
    """
    admin = Admin(cluster, timeout_s=timeout_s)
    warnings: list[str] = []
    for group, topic in audience(mode, flow).items():
        try:
            members = group_members(admin, group)
        except CommandEventError:
            return [
                *warnings,
                f"the broker does not say whether {group} has a live member that reads {topic}",
            ]
        warnings += _missing(group, topic, [member.topics for member in members])
    return warnings


def _missing(group: str, topic: str, read: Collection[Collection[str]]) -> list[str]:
    if not read:
        return [f"{group} has no live member: orders wait on {topic} until `cev consume {group}` runs"]
    if any(topic in topics for topics in read):
        return []
    return [f"no live member of {group} reads {topic}: orders wait there for one"]
