"""`/health/live` and `/health/ready`: what an orchestrator asks of a running process.

Live means that the process answers. Ready means that every group has joined, is not waiting for something
that is down, and makes progress wherever there is something to read.

I/O: HTTP server, on a thread of its own.
"""

import json
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from consumers.runtime.status import MemberStatus
from schemas.errors import InvalidSetting

Answer = Callable[[str], tuple[int, dict[str, Any]]]
"""From a path to a status code and a body."""


def serve(port: int, pulses: Sequence[MemberStatus]) -> ThreadingHTTPServer:
    """Start answering for members; as `listen`."""
    return listen(port, lambda path: answer(path, pulses))


def listen(port: int, say: Answer, host: str = "0.0.0.0") -> ThreadingHTTPServer:  # noqa: S104 - probes come from outside the container
    """Start answering.

    Args:
        port: TCP port; 0 chooses a free one.
        say: what to answer to a path; called on threads of the server's.
        host: address to listen on.

    Returns:
        The server; `server_port` says where it listens.

    Raises:
        InvalidSetting: the port is taken or not ours to take.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = say(self.path)
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
            """Say nothing: a probe every second is no news."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise InvalidSetting(f"health_port {port} cannot be used: {error.strerror}") from error
    Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server


def answer(path: str, pulses: Sequence[MemberStatus]) -> tuple[int, dict[str, Any]]:
    """Status code and body for a path; pure."""
    if path == "/health/live":
        return 200, {"live": True}
    if path == "/health/ready":
        groups = [
            {
                "group": pulse.group,
                "ready": pulse.ready,
                "joined": pulse.joined,
                "partitions": pulse.owned,
                "outage": pulse.down,
                "unknown_schema": [f"{topic}:{number}" for topic, number in pulse.standing],
                "failure": str(pulse.failure) if pulse.failure is not None else None,
            }
            for pulse in pulses
        ]
        ready = all(pulse.ready for pulse in pulses)
        return (200 if ready else 503), {"ready": ready, "groups": groups}
    return 404, {"error": "there are /health/live and /health/ready"}
