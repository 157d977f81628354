"""The gateway as a server: its socket, and running until a signal.

I/O: TCP; signals, where it runs on the main thread.
"""

import socket

import uvicorn

from gateway.app import Faults, Watch, application
from gateway.connections import Connection
from gateway.store import PaymentStore
from schemas.errors import OperationFailed

_MAX_CONNECTIONS = 200
_BACKLOG = 256
_KEEP_ALIVE_S = 75
_DRAIN_S = 10
_MAX_HEADERS = 16_384


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections from now on.

    Args:
        host: address or name of this machine.
        port: TCP port; 0 chooses a free one.

    Raises:
        OperationFailed: the port is taken, or the host is no address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        # `create_server` adds the address in brackets.
        reason = (error.strerror or str(error)).partition(" (")[0]
        raise OperationFailed(
            f"the gateway cannot listen on {host}, port {port}: {reason}; --port 0 takes any free port"
        ) from error
    # Connections inherit it. uvicorn writes head and body one by one, and the body would wait 40 ms for the
    # client to acknowledge the head; asyncio sees to that only for sockets that name their protocol.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def url_of(listening: socket.socket) -> str:
    """Where a listening socket is reached."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server(store: PaymentStore, faults: Faults, watch: Watch) -> uvicorn.Server:
    """A server of the gateway; `run(sockets=[listening])` serves until SIGTERM, SIGINT or `should_exit`.

    What is under way at that moment has ten seconds to be answered.
    """
    config = uvicorn.Config(
        application(store, faults, watch),
        http=Connection,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_DRAIN_S,
        h11_max_incomplete_event_size=_MAX_HEADERS,
    )
    return uvicorn.Server(config)
