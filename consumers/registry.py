"""Who reacts to what: the whole table, on one screen. A new reaction is one more line.

`start` is where a group begins at its very first start; later starts go on where it was (design §7, 12).
"""

from consumers import fulfilment, loyalty, notification, payments, sales, tracking, warehouse
from consumers.flows import payment, process
from consumers.runtime.reaction import AnyReaction, ProcessManager, Reaction
from schemas import topics
from schemas.errors import UsageError
from schemas.suggestions import did_you_mean

# fmt: off
REACTIONS: tuple[AnyReaction, ...] = (
    Reaction(name="warehouse", react=warehouse.react, reads=warehouse.READS, writes=warehouse.WRITES,
             replaces=topics.DISPATCH_PRODUCTS, state=warehouse.STATE, start="beginning"),
    Reaction(name="notification", react=notification.react, reads=notification.READS,
             channels=notification.CHANNELS, state=notification.STATE, start="beginning"),
    Reaction(name="sales", react=sales.react, reads=sales.READS, start="beginning"),
    Reaction(name="tracking", react=tracking.react, reads=tracking.READS, state=tracking.STATE,
             start="beginning"),
    Reaction(name="loyalty", react=loyalty.react, reads=loyalty.READS, start="beginning"),
    ProcessManager(name="fulfilment", react=fulfilment.react, reads=fulfilment.READS, start="beginning",
                   issues=fulfilment.ISSUES, state=process.Process, timers=topics.FULFILMENT_TIMERS,
                   alarms=process.ALARMS),
    Reaction(name="payments", react=payments.react, reads=payments.READS, writes=payments.WRITES,
             channels=payments.CHANNELS, state=payment.Payment, timers=topics.PAYMENTS_TIMERS,
             alarms=payment.ALARMS, start="beginning"),
)
# fmt: on


def named(name: str) -> AnyReaction:
    """The reaction of that name.

    Raises:
        UsageError: there is none; the message names the one that was meant, or all.
    """
    for reaction in REACTIONS:
        if reaction.name == name:
            return reaction
    names = [reaction.name for reaction in REACTIONS]
    meant = did_you_mean(name, names) or f"; there are {', '.join(names)}"
    raise UsageError(f"there is no reaction {name!r}{meant}")


def all_topics() -> tuple[topics.Topic, ...]:
    """Every topic that a cluster needs: the catalogue, and each group's dead-letter and retry topics."""
    return topics.CATALOGUE + topics.derived((reaction.name, reaction.reads) for reaction in REACTIONS)
