"""A delivery as a mail, whose Message-ID is the effect key. Pure but for the time in its `Date`."""

from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate

from consumers.runtime.reaction import Delivery
from schemas.errors import DeliveryRejected, Position

_DOMAIN = "command-event.invalid"
_MAX_ADDRESS = 320
"""RFC 5321 §4.5.3.1: 64 for the local part, 255 for the domain. The standard library's parser needs time that
grows with the square of an address's length: a long one would block the group."""


def mail_message(delivery: Delivery, key: str, sender: str, position: Position) -> EmailMessage:
    """The mail of a delivery.

    Args:
        delivery: recipient, subject and text.
        key: the effect key.
        sender: the From address.
        position: of the record that asks for it.

    Raises:
        DeliveryRejected: no mail can be written to this recipient.
    """
    message = EmailMessage()
    try:
        message["From"] = sender
        message["To"] = _one_address(delivery.recipient)
        message["Subject"] = delivery.subject
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{key.replace('/', '.')}@{_DOMAIN}>"
        message.set_content(delivery.text)
        message.as_bytes()
    except Exception as error:
        # The standard library's address parser fails at malformed text in many ways: with an AttributeError
        # at a domain that is an open bracket, for one. None of them may stop the group.
        raise DeliveryRejected(
            f"no mail can be written to {delivery.recipient[:_MAX_ADDRESS]!r}: {error}", position
        ) from error
    return message


def _one_address(recipient: str) -> Address:
    if len(recipient) > _MAX_ADDRESS:
        raise ValueError(f"an address has at most {_MAX_ADDRESS} characters, this one {len(recipient)}")
    # A fact from another writer is unchecked: a list or a header line in it must not reach other people.
    address = Address(addr_spec=recipient)
    if not address.domain:
        raise ValueError("it is no address")
    return address
