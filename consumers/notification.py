"""Notification: mails and texts to the customer, because of a fact or because a command asks for one.

reads   send_notifications (command, owned by this group), orders (fact), payments, dispatch_results (results)
writes  nothing to Kafka; hands mails and texts to the channels `email` and `text`

Facts that were old news when this group first started are skipped, not mailed (design §8; `flows.news`).
"""

from consumers.flows import flow_of, messages, news
from consumers.flows.contacts import Contact
from consumers.flows.messages import Notice
from consumers.runtime.reaction import Context, Delivery, Effect
from schemas import topics
from schemas.commands import SendNotification
from schemas.control import Flow
from schemas.facts import Fact, OrderPlaced

READS = (topics.SEND_NOTIFICATIONS, topics.ORDERS, topics.PAYMENTS, topics.DISPATCH_RESULTS)
CHANNELS = ("email", "text")
STATE = Contact


def react(message: SendNotification | Fact, context: Context) -> list[Fact]:
    """Intend one delivery per channel that the order names a recipient for; it may name none."""
    if isinstance(message, SendNotification):
        messages.check(message, CHANNELS, context.position)
        notice = Notice(message.purpose, message.subject, message.text)
        _tell(context, message.channel, message.recipient, notice, skip=context.is_void())
    elif isinstance(message, OrderPlaced):
        flow, contact = flow_of(message, context), (context.state or Contact()).placed(message)
        if flow is not Flow.PROCESS:  # there the process manager asks for it
            is_old = news.is_old(message.placed_at, context)
            _tell_customer(context, contact, messages.placed(message), skip=is_old)
        if flow is Flow.COLLABORATION:
            _follow_up(context, contact, message.order_id)
    elif message.flow == Flow.COLLABORATION and (purpose := messages.PURPOSES.get(type(message))):
        _follow_up(context, (context.state or Contact()).heard(purpose), message.order_id)
    return []


def _follow_up(context: Context, contact: Contact, order_id: int) -> None:
    """Say what has become of an order, once it is known whom to tell."""
    for purpose in contact.due if contact.is_known else ():
        notice = messages.later(purpose, order_id, contact.customer)
        _tell_customer(context, contact, notice, skip=news.is_old(context.recorded_at, context))
    if contact != context.state:
        context.save(contact)


def _tell_customer(context: Context, contact: Contact, notice: Notice, *, skip: bool) -> None:
    for channel, recipient in messages.recipients(contact.email, contact.phone):
        _tell(context, channel, recipient, notice, skip=skip)


def _tell(context: Context, channel: str, recipient: str, notice: Notice, *, skip: bool) -> None:
    delivery = None if skip else Delivery(channel, recipient, notice.subject, notice.text)
    name, outcome = messages.effect_name(channel, notice.purpose), "skipped" if skip else "intended"
    context.record(Effect(name, outcome, input=recipient, delivery=delivery))
