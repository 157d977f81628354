"""A small HTTP server that an orchestrator probes.

Promise: whoever reaches the port takes a few threads and file descriptors of the process and no more:
`MAX_CONNECTIONS` at once, each for `CONNECTION_S`.
Not here: secrets and access control; who may connect is a matter of the address and the network.

I/O: HTTP server, on a thread of its own.
"""

import json
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import Any

from consumers.runtime.health import health_response
from consumers.runtime.status import MemberStatus
from schemas.errors import InvalidSetting

MAX_CONNECTIONS = 16
"""How many connections are served at once; for one more the oldest is ended."""

CONNECTION_S = 3.0
"""Seconds from a connection's start to its end, whatever of the request has come by then."""

# What an ended connection may take to leave its thread; after that a new one is closed instead.
_ENDING_S = 0.5

LOOPBACK = "127.0.0.1"

Responder = Callable[[str], tuple[int, dict[str, Any]]]
"""From a path to an HTTP status code and a JSON body; called on threads of the server's."""


def serve(port: int, statuses: Sequence[MemberStatus], host: str = LOOPBACK) -> ThreadingHTTPServer:
    """Start answering for members; as `listen`."""
    return listen(port, lambda path: health_response(path, statuses), host)


def listen(port: int, respond: Responder, host: str = LOOPBACK) -> ThreadingHTTPServer:
    """Start answering.

    Args:
        port: TCP port; 0 chooses a free one.
        respond: what to answer to a path.
        host: IP address to listen on.

    Returns:
        The server; `server_port` says where it listens.

    Raises:
        InvalidSetting: the port is taken, or this process may not take it; or the host is no address of
            this machine.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = respond(self.path)
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
            """Log nothing: a probe comes every second."""

    try:
        server = _BoundedServer(host, port, Handler)
    except OSError as error:
        raise InvalidSetting(f"health_port {port} cannot be used on {host}: {error.strerror}") from error
    Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server


class _BoundedServer(ThreadingHTTPServer):
    """A server with few connections at once, each for a short time."""

    # A probe that finds this full waits a second for the kernel to try again.
    request_queue_size = 128

    def __init__(self, host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._changed = Condition()
        # In the order in which they began.
        self._ends_at: dict[socket.socket, float] = {}
        super().__init__((host, port), handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection on a thread of its own; if there are too many, the oldest ends for it.

        The oldest is the one that most likely only holds its place: a probe is over within milliseconds.
        """
        with self._changed:
            if not self._has_place():
                _end(next(iter(self._ends_at)))
            accepted = self._changed.wait_for(self._has_place, _ENDING_S)
            if accepted:
                self._ends_at[request] = time.monotonic() + CONNECTION_S
        if accepted:
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection; each ends here, on the thread that served it."""
        super().shutdown_request(request)
        with self._changed:
            self._ends_at.pop(request, None)
            self._changed.notify()

    def service_actions(self) -> None:
        """End connections that have had their time; `serve_forever` calls this at least twice a second."""
        # A timeout of the socket would not do: it begins anew with every byte.
        now = time.monotonic()
        with self._changed:
            overdue = [request for request, ends_at in self._ends_at.items() if ends_at <= now]
        for request in overdue:
            _end(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print a traceback, unless it is the connection that failed: clients may leave when they like."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def _has_place(self) -> bool:
        return len(self._ends_at) < MAX_CONNECTIONS


def _end(connection: socket.socket) -> None:
    # Its thread reads the end of the stream and closes it.
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
