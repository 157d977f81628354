"""A delivery as a mail, whose Message-ID is the effect key. Pure but for the time in its `Date`."""

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from email.utils import formatdate

from consumers.runtime.reaction import Delivery
from schemas.contacts import mail_address
from schemas.errors import DeliveryRejected, InvalidSetting, Position

_DOMAIN = "command-event.invalid"
_MAX_SHOWN = 320
_UTF8 = default.clone(utf8=True)


def sender_address(text: str) -> Address:
    """The From address of all mails: `shop@example.org`, or `"Shop, Inc." <shop@example.org>`.

    Raises:
        InvalidSetting: not exactly one address, or one that some mail servers do not take.
    """
    try:
        parsed = _only_address(text)
        spelled = mail_address(parsed.addr_spec, internal=True)
    except (ValueError, AttributeError, IndexError) as error:
        # The standard library's parser fails at malformed addresses in the last two ways too.
        raise InvalidSetting(f"mail_from {text!r} is not a sender of mails: {error}") from error
    if not spelled.isascii():
        raise InvalidSetting(f"mail_from {text!r} must be ASCII before its @: few mail servers take another")
    return _address(spelled, parsed.display_name)


def _only_address(text: str) -> Address:
    message = EmailMessage()
    message["From"] = text
    addresses: tuple[Address, ...] = message["From"].addresses
    if len(addresses) != 1:
        raise ValueError('it must be one address; a name with a comma goes in quotes, as "Shop, Inc." <…>')
    return addresses[0]


def mail_message(delivery: Delivery, key: str, sender: Address, position: Position) -> EmailMessage:
    """The mail of a delivery.

    Args:
        delivery: recipient, subject and text.
        key: the effect key.
        sender: the From address.
        position: of the record that asks for it.

    Raises:
        DeliveryRejected: no mail can be written to this recipient.
    """
    try:
        # A fact from another writer is unchecked: a list or a header line in it must not reach other people.
        recipient = _address(mail_address(delivery.recipient, internal=True))
        # RFC 6532: a local part beyond ASCII has no other form.
        message = EmailMessage() if recipient.username.isascii() else EmailMessage(_UTF8)
        message["From"] = sender
        message["To"] = recipient
        message["Subject"] = delivery.subject
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{key.replace('/', '.')}@{_DOMAIN}>"
        message.set_content(delivery.text)
        message.as_bytes()
    except Exception as error:
        # The standard library's mail package fails at malformed text in many ways. None may stop the group.
        raise DeliveryRejected(
            f"no mail can be written to {delivery.recipient[:_MAX_SHOWN]!r}: {error}", position
        ) from error
    return message


def recipient_of(message: EmailMessage) -> str:
    """The address that a mail goes to, as the mail server is told."""
    (address,) = message["To"].addresses
    return str(address.addr_spec)


def _address(spelled: str, name: str = "") -> Address:
    if spelled.isascii():
        return Address(name, addr_spec=spelled)
    # The standard library parses no address beyond ASCII, yet writes one.
    username, _, domain = spelled.rpartition("@")
    return Address(name, username, domain)
