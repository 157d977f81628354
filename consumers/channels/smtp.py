"""Mail by SMTP.

I/O: SMTP.
"""

import smtplib
import ssl
import threading
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from consumers.channels.mail_message import mail_message, recipient_of, sender_address
from consumers.runtime.reaction import Delivery
from schemas.errors import DeliveryDeferred, DeliveryRejected, DependencyUnavailable, InvalidSetting, Position

_TIMEOUT_S = 10.0
_TRANSIENT, _PERMANENT = 400, 500
_CLOSING = 421
_TOO_LARGE = 552
_URL_FORM = "smtp_url must be smtp://[user:password@]host[:port] or smtps://…"


class SmtpMail:
    """A mail server.

    Args:
        url: `smtp://[user:password@]host[:port]` or `smtps://…`; STARTTLS is used where it is offered.
        sender: the From address, with or without a name.

    Raises:
        InvalidSetting: the URL or the sender cannot be used.
    """

    def __init__(self, url: str, sender: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            # The error may repeat the password.
            raise InvalidSetting(_URL_FORM) from None
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise InvalidSetting(_URL_FORM)
        self._tls = parts.scheme == "smtps"
        self._host = parts.hostname
        self._port = port or (465 if self._tls else 25)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password or "")
        self._sender = sender_address(sender)
        self._local = threading.local()
        self._connections: list[smtplib.SMTP] = []

    @property
    def describe(self) -> str:
        """What a person reads in the start line."""
        return f"smtp {self._host}:{self._port}"

    def deliver(self, delivery: Delivery, key: str, position: Position) -> None:
        """Send a mail; see `Channel.deliver`."""
        message = mail_message(delivery, key, self._sender, position)
        try:
            self._send(message)
        except (OSError, smtplib.SMTPException) as error:
            if _is_rejected(error):
                raise DeliveryRejected(
                    f"the mail server refuses mail to {delivery.recipient}: {error}", position
                ) from error
            if _is_deferred(error):
                raise DeliveryDeferred(
                    f"the mail server wants mail to {delivery.recipient} later: {error}", position
                ) from error
            raise self._down(error) from error

    def _send(self, message: EmailMessage) -> None:
        """Send on the connection that this worker has kept, and on a new one where that one fails.

        Servers close connections that are idle or have carried many mails (RFC 5321 §3.8 and §4.5.3.2.7),
        and networks forget them. So what befalls a kept connection says nothing about the server.
        """
        if getattr(self._local, "connection", None) is not None:
            try:
                self._send_on_open_connection(message)
            except (OSError, smtplib.SMTPException) as error:
                if _is_rejected(error) or _is_deferred(error):
                    raise
            else:
                return
        try:
            self._local.connection = connection = self._connect()
        except (OSError, smtplib.SMTPException) as error:
            # Also a login that is refused or not offered: the configuration is at fault, never the mail.
            raise self._down(error) from error
        self._connections.append(connection)
        self._send_on_open_connection(message)

    def _send_on_open_connection(self, message: EmailMessage) -> None:
        connection: smtplib.SMTP = self._local.connection
        try:
            connection.send_message(message, self._sender.addr_spec, [recipient_of(message)])
        except (OSError, smtplib.SMTPException):
            self._drop_connection(connection)
            raise

    def close(self) -> None:
        """Close the connections of all workers."""
        while self._connections:
            self._connections.pop().close()

    def _down(self, error: Exception) -> DependencyUnavailable:
        return DependencyUnavailable(
            f"the mail server {self._host}:{self._port} does not take mail now: {error}"
        )

    def _connect(self) -> smtplib.SMTP:
        secure = ssl.create_default_context()
        if self._tls:
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=_TIMEOUT_S, context=secure
            )
        else:
            connection = smtplib.SMTP(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            connection.ehlo()
            if not self._tls and connection.has_extn("starttls"):
                connection.starttls(context=secure)
            if self._user:
                connection.login(self._user, self._password)
        except BaseException:
            connection.close()
            raise
        return connection

    def _drop_connection(self, connection: smtplib.SMTP) -> None:
        self._local.connection = None
        connection.close()
        if connection in self._connections:
            self._connections.remove(connection)


def _is_rejected(error: Exception) -> bool:
    """Whether a mail will never be taken: the mail is at fault, not the configuration or the moment."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            return all(code >= _PERMANENT for code, _ in error.recipients.values())
        case smtplib.SMTPSenderRefused():
            # RFC 5321 §4.2.3: about the sender, hence the configuration; 552 is the size, known at MAIL FROM.
            return error.smtp_code == _TOO_LARGE
        case smtplib.SMTPDataError():
            return error.smtp_code >= _PERMANENT
    # The address needs SMTPUTF8, which this server does not offer.
    return isinstance(error, smtplib.SMTPNotSupportedError)


def _is_deferred(error: Exception) -> bool:
    """Whether the server answers, and wants this very mail later (RFC 5321 §4.2.1, 4yz).

    An answer about the sender is about the configuration, whichever mail it is; 421 is about the whole
    service (§3.8), in answer to any command.
    """
    match error:
        case smtplib.SMTPRecipientsRefused():
            codes = [code for code, _ in error.recipients.values()]
        case smtplib.SMTPDataError():
            codes = [error.smtp_code]
        case _:
            return False
    return _CLOSING not in codes and all(_TRANSIENT <= code < _PERMANENT for code in codes)
