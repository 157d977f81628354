"""What the health server promises where clients are not to be trusted: few connections at once, little time.

I/O: TCP on loopback.
"""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import ThreadingHTTPServer
from typing import Any

import pytest

from consumers.runtime import health_server
from consumers.runtime.health_server import MAX_CONNECTIONS, listen

LIMIT_S = 0.5


def alive(_path: str) -> tuple[int, dict[str, Any]]:
    return 200, {"live": True}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    monkeypatch.setattr(health_server, "CONNECTION_S", LIMIT_S)
    started = listen(0, alive)
    yield started
    started.shutdown()
    started.server_close()


def connected(server: ThreadingHTTPServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server_port), timeout=10)


def ended(connection: socket.socket) -> bool:
    """Whether the server ends a connection without an answer."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def answer(server: ThreadingHTTPServer) -> bytes:
    with connected(server) as connection:
        try:
            connection.sendall(b"GET /health/live HTTP/1.0\r\n\r\n")
            return connection.makefile("rb").read()
        except ConnectionError:
            return b""


def answers(server: ThreadingHTTPServer) -> bool:
    _, _, body = answer(server).partition(b"\r\n\r\n")
    return bool(body) and json.loads(body) == {"live": True}


def test_it_listens_on_loopback_unless_told_otherwise(server: ThreadingHTTPServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert answers(server)
    everywhere = listen(0, alive, "0.0.0.0")
    assert everywhere.server_address[0] == "0.0.0.0"
    assert answers(everywhere)
    everywhere.shutdown()
    everywhere.server_close()


@pytest.mark.parametrize("half", [b"", b"GET /health/live HTTP/1.0\r\n"])
def test_half_a_request_ends_after_a_while(server: ThreadingHTTPServer, half: bytes) -> None:
    with connected(server) as connection:
        connection.sendall(half)
        begin = time.monotonic()
        assert ended(connection)
        assert time.monotonic() - begin < LIMIT_S + 3


def test_a_request_that_comes_byte_by_byte_ends_too(
    server: ThreadingHTTPServer, capfd: pytest.CaptureFixture[str]
) -> None:
    def trickle() -> None:
        while time.monotonic() < until:
            connection.sendall(b"x")
            time.sleep(0.05)

    with connected(server) as connection:
        until = time.monotonic() + LIMIT_S + 5
        with pytest.raises(ConnectionError):
            trickle()
    assert capfd.readouterr().err == ""


def test_the_oldest_of_too_many_connections_ends_and_a_probe_is_answered(
    server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_server, "CONNECTION_S", 60)
    threads = threading.active_count()
    with ExitStack() as stack:
        held = [stack.enter_context(connected(server)) for _ in range(4 * MAX_CONNECTIONS)]
        assert answers(server)
        for connection in held[: 3 * MAX_CONNECTIONS + 1]:
            assert ended(connection)
        assert threading.active_count() <= threads + MAX_CONNECTIONS
        assert answers(server)
