"""Mail, by SMTP or into a maildir. The effect key is the Message-ID and the file name.

I/O: SMTP; files under the data directory.
"""

import os
import smtplib
import ssl
import threading
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from urllib.parse import unquote, urlsplit

from consumers.runtime.reaction import Delivery
from schemas.errors import DependencyDown, InvalidSetting, Position, RefusedByReceiver

_TIMEOUT_S = 10.0
_DOMAIN = "command-event.invalid"
_PERMANENT = 500


class SmtpMail:
    """A mail server.

    Args:
        url: `smtp://[user:password@]host[:port]` or `smtps://…`; STARTTLS is used where it is offered.
        sender: the From address.
    """

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise InvalidSetting("smtp_url must be smtp://[user:password@]host[:port] or smtps://…")
        self._tls = parts.scheme == "smtps"
        self._host = parts.hostname
        self._port = parts.port or (465 if self._tls else 25)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password or "")
        self._sender = sender
        self._local = threading.local()

    @property
    def describe(self) -> str:
        """What a person reads in the start line."""
        return f"smtp {self._host}:{self._port}"

    def deliver(self, delivery: Delivery, key: str, where: Position) -> None:
        """Send a mail; see `Channel.deliver`."""
        letter = _letter(delivery, key, self._sender, where)
        try:
            self._connection().send_message(letter)
        except (
            smtplib.SMTPRecipientsRefused,
            smtplib.SMTPResponseException,
            smtplib.SMTPNotSupportedError,
        ) as error:
            self._forget()
            raise self._judge(error, delivery, where) from error
        except (OSError, smtplib.SMTPException) as error:
            self._forget()
            raise DependencyDown(
                f"the mail server {self._host}:{self._port} does not answer: {error}"
            ) from error

    def _judge(self, error: Exception, delivery: Delivery, where: Position) -> Exception:
        refused = isinstance(error, smtplib.SMTPNotSupportedError)
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            refused = all(code >= _PERMANENT for code, _ in error.recipients.values())
        elif isinstance(error, smtplib.SMTPSenderRefused | smtplib.SMTPDataError):
            refused = error.smtp_code >= _PERMANENT
        if refused:
            return RefusedByReceiver(f"the mail server refuses mail to {delivery.recipient}: {error}", where)
        return DependencyDown(f"the mail server {self._host}:{self._port} does not take mail now: {error}")

    def _connection(self) -> smtplib.SMTP:
        connection: smtplib.SMTP | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            self._local.connection = connection
        return connection

    def _connect(self) -> smtplib.SMTP:
        secure = ssl.create_default_context()
        if self._tls:
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=_TIMEOUT_S, context=secure
            )
        else:
            connection = smtplib.SMTP(self._host, self._port, timeout=_TIMEOUT_S)
            connection.ehlo()
            if connection.has_extn("starttls"):
                connection.starttls(context=secure)
        if self._user:
            connection.login(self._user, self._password)
        return connection

    def _forget(self) -> None:
        connection: smtplib.SMTP | None = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            connection.close()


class Maildir:
    """A maildir: one file a mail, named by its effect key, so a mail delivered twice is one file.

    Args:
        folder: created with its `tmp`, `new` and `cur` (maildir(5)).
        sender: the From address.
    """

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender
        for name in ("tmp", "new", "cur"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    @property
    def describe(self) -> str:
        """What a person reads in the start line."""
        return f"maildir {self._folder}"

    def deliver(self, delivery: Delivery, key: str, where: Position) -> None:
        """Write a mail's file; see `Channel.deliver`."""
        letter = _letter(delivery, key, self._sender, where)
        name = key.replace("/", ".")
        draft = self._folder / "tmp" / name
        try:
            with draft.open("wb") as file:
                file.write(bytes(letter))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._folder / "new" / name)
        except OSError as error:
            raise DependencyDown(f"the maildir {self._folder} cannot be written: {error.strerror}") from error


def _letter(delivery: Delivery, key: str, sender: str, where: Position) -> EmailMessage:
    letter = EmailMessage()
    try:
        letter["From"] = sender
        letter["To"] = delivery.recipient
        letter["Subject"] = delivery.subject
        letter["Date"] = formatdate()
        letter["Message-ID"] = f"<{key.replace('/', '.')}@{_DOMAIN}>"
        letter.set_content(delivery.text)
    except (ValueError, IndexError, LookupError) as error:
        raise RefusedByReceiver(
            f"no mail can be written to {delivery.recipient!r}: {error}", where
        ) from error
    return letter
