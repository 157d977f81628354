"""The outside world for tests: a real mail server and a real text gateway on loopback.

I/O: sockets on 127.0.0.1, ports that are free.

Both can be told to refuse (`refuse`: a status code for what comes next) and to go down and come up again on
the same port.
"""

import json
from asyncio import BaseTransport
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from broker.ports import any_free

if TYPE_CHECKING:
    from email.message import EmailMessage


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    return any_free(1)[0]


class MailServer:
    """An SMTP server that keeps what it accepts.

    Attributes:
        mails: what was accepted, in order.
        senders, recipients: of the envelopes of these mails.
        refuse: status of the next recipients, e.g. 550; None accepts.
        refuse_sender: status of the next senders.
        connections: how many are open.
        mails_per_connection: after so many it says 421; None is any number.

    Args:
        utf8: whether it offers SMTPUTF8.
        idle_s: closes a connection that is silent for so long.
    """

    def __init__(self, *, utf8: bool = True, idle_s: float = 300) -> None:
        self.mails: list[EmailMessage] = []
        self.senders: list[str] = []
        self.recipients: list[str] = []
        self._utf8 = utf8
        self._idle_s = idle_s
        self.connections = 0
        self.mails_per_connection: int | None = None
        self.refuse: int | None = None
        self.refuse_sender: int | None = None
        self.port = free_port()
        self._controller: Controller | None = None
        self.up()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def ids(self) -> list[str]:
        """Message ids without their brackets and domain."""
        return [str(mail["Message-ID"]).strip("<>").split("@")[0] for mail in self.mails]

    def up(self) -> None:
        self._controller = _CountingController(
            self,
            hostname="127.0.0.1",
            port=self.port,
            ready_timeout=60,
            enable_SMTPUTF8=self._utf8,
            timeout=self._idle_s,
            server_hostname="mail.test",  # else the name of this host is looked up for each connection
        )
        self._controller.start()

    def down(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self,
        connection: "_CountedConnection",
        _session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        if self.refuse_sender is not None:
            return f"{self.refuse_sender} not from you"
        connection.mails += 1
        if self.mails_per_connection is not None and connection.mails > self.mails_per_connection:
            return "421 enough for one connection"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.refuse is not None:
            return f"{self.refuse} no"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        content = cast("bytes", envelope.content)
        self.senders.append(str(envelope.mail_from))
        self.recipients.extend(envelope.rcpt_tos)
        self.mails.append(message_from_bytes(content, policy=policy.default))
        return "250 OK"


class _CountingController(Controller):
    def factory(self) -> SMTP:
        return _CountedConnection(self.handler, **self.SMTP_kwargs)


class _CountedConnection(SMTP):
    mails = 0

    def connection_made(self, transport: BaseTransport) -> None:
        self.event_handler.connections += 1
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.event_handler.connections -= 1


class TextGateway:
    """An HTTP server that keeps what it accepts.

    Attributes:
        texts: bodies that were accepted, in order.
        keys: the `Idempotency-Key` of each.
        refuse: status of the next answers; None accepts.
        retry_after: their `Retry-After`, if any.

    Args:
        drops_kept: closes a connection, without an answer, when it is used a second time.
    """

    def __init__(self, *, drops_kept: bool = False) -> None:
        self._drops_kept = drops_kept
        self.texts: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.refuse: int | None = None
        self.retry_after: str | None = None
        self.port = free_port()
        self._server: ThreadingHTTPServer | None = None
        self.up()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/texts"

    def up(self) -> None:
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1" if gateway._drops_kept else "HTTP/1.0"
            used = False

            def do_POST(self) -> None:
                if self.used and gateway._drops_kept:
                    self.close_connection = True
                    return
                self.used = True
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if gateway.refuse is None:
                    gateway.texts.append(body)
                    gateway.keys.append(self.headers["Idempotency-Key"])
                self.send_response(gateway.refuse or 202)
                self.send_header("Content-Length", "0")
                if gateway.retry_after is not None:
                    self.send_header("Retry-After", gateway.retry_after)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
