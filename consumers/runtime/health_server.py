"""A small HTTP server that an orchestrator probes.

I/O: HTTP server, on a thread of its own.
"""

import json
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from consumers.runtime.health import health_response
from consumers.runtime.status import MemberStatus
from schemas.errors import InvalidSetting

Responder = Callable[[str], tuple[int, dict[str, Any]]]
"""From a path to an HTTP status code and a JSON body; called on threads of the server's."""


def serve(port: int, statuses: Sequence[MemberStatus]) -> ThreadingHTTPServer:
    """Start answering for members; as `listen`."""
    return listen(port, lambda path: health_response(path, statuses))


def listen(port: int, respond: Responder, host: str = "0.0.0.0") -> ThreadingHTTPServer:  # noqa: S104 - probes come from outside the container
    """Start answering.

    Args:
        port: TCP port; 0 chooses a free one.
        respond: what to answer to a path.
        host: address to listen on.

    Returns:
        The server; `server_port` says where it listens.

    Raises:
        InvalidSetting: the port is taken, or this process may not take it.
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
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise InvalidSetting(f"health_port {port} cannot be used: {error.strerror}") from error
    Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
