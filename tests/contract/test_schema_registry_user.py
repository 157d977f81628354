"""Who asks a schema registry, where its address names the user.

I/O: HTTP on loopback.
"""

from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from schemas.errors import RegistryUnreachable
from schemas.registry import Registry


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str | None]]]:
    """The address of a registry that knows nothing, and the users that asked it."""
    users: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            users.append(self.headers["Authorization"])
            self.send_response(404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", users
        server.shutdown()


@pytest.mark.parametrize(
    ("login", "user"),
    [("shop:hunter2", "shop:hunter2"), ("sh%C3%B6p:a%40%2Fb", "shöp:a@/b"), ("tok", "tok:")],
)
def test_the_user_in_an_address_is_sent_and_never_logged(
    asked: tuple[str, list[str | None]], caplog: pytest.LogCaptureFixture, login: str, user: str
) -> None:
    host, users = asked
    caplog.set_level("DEBUG")
    with Registry(f"http://{login}@{host}/apis") as registry, pytest.raises(RegistryUnreachable):
        registry.schema_of(7)
    assert set(users) == {f"Basic {b64encode(user.encode()).decode()}"}
    assert host in caplog.text
    assert login not in caplog.text
