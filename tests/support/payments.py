"""Payment gateways for tests: ours in a process that may be killed and come again, and a bad one.

I/O: a process, HTTP on 127.0.0.1, the gateway's store in the caller's folder.
"""

import json
from enum import Enum, auto
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote

import httpx

from gateway.app import Faults
from gateway.server import listen, server
from gateway.store import PaymentStore
from tests.support.processes import FORKSERVER
from tests.support.program import until
from tests.support.receivers import free_port


class PaymentGateway:
    """A gateway that keeps its port and its store through every death.

    Args:
        folder: where its store is.
        slow_s: how late `tok_slow` is answered.
        failure_rate: share of requests that are answered 503.
    """

    def __init__(self, folder: Path, *, slow_s: float = 0.3, failure_rate: float = 0.0) -> None:
        self._folder = folder
        self._faults = Faults(slow_s=slow_s, failure_rate=failure_rate)
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.up()

    def up(self) -> None:
        """Start it, and wait until it answers."""
        self._process = FORKSERVER.Process(
            target=_serve, args=(self._folder, self._port, self._faults), daemon=True
        )
        self._process.start()
        until(self._answers, 30, "the gateway answers")

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.join()

    def post(self, path: str, key: str | None, body: Any) -> httpx.Response:
        """`POST /captures` or `/refunds` by hand."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return httpx.post(f"{self.url}{path}", json=body, headers=headers, timeout=10)

    def get(self, path: str) -> httpx.Response:
        """A GET by hand."""
        return httpx.get(f"{self.url}{path}", timeout=10)

    def charges(self) -> dict[str, dict[str, Any]]:
        """What it has charged, by key; a key that was charged twice fails the test."""
        charges = self.get("/charges").json()["charges"]
        by_key = {charge["key"]: charge for charge in charges}
        assert len(by_key) == len(charges), charges
        return by_key

    def _answers(self) -> bool:
        assert self._process.is_alive(), "the gateway has ended"
        try:
            return self.get("/health").is_success
        except httpx.ConnectError:
            return False


def _serve(folder: Path, port: int, faults: Faults) -> None:
    listening = listen("127.0.0.1", port)
    server(PaymentStore(folder), faults, lambda *_: None).run(sockets=[listening])


class Fault(Enum):
    """What goes wrong with one request."""

    LOST_ANSWER = auto()
    LOST_REQUEST = auto()


class ForgetfulGateway:
    """A gateway as bad as they come: it takes no notice of keys, and each POST that it hears charges anew.

    Attributes:
        faults: what goes wrong with the next requests, one each; then nothing does. A number is a status.
        headers: of its answers.
        body: of its answers, in place of what it did.
        charges: key and reference of each charge.
        asked: method and path of each request.
    """

    def __init__(self) -> None:
        self.faults: list[Fault | int] = []
        self.headers: dict[str, str] = {}
        self.body: Any = None
        self.charges: list[tuple[str, str]] = []
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Forgetful, self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Forgetful(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, gateway: ForgetfulGateway, *args: Any) -> None:
        self._gateway = gateway
        super().__init__(*args)

    def do_GET(self) -> None:
        key = unquote(self.path.rpartition("/")[2])
        references = [reference for charged, reference in self._gateway.charges if charged == key]
        self._answer(200 if references else 404, {"reference": references[0]} if references else {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        fault = next(iter(self._gateway.faults), None)
        reference = f"charge {len(self._gateway.charges)}"
        if fault in (None, Fault.LOST_ANSWER):
            self._gateway.charges.append((self.headers["Idempotency-Key"], reference))
        self._answer(201, {"reference": reference})

    def _answer(self, status: int, document: Any) -> None:
        gateway = self._gateway
        gateway.asked.append(f"{self.command} {self.path}")
        fault = gateway.faults.pop(0) if gateway.faults else None
        if isinstance(fault, Fault):
            self.close_connection = True
            return
        body = json.dumps(document if gateway.body is None else gateway.body).encode()
        self.send_response(fault or status)
        for name, value in {**gateway.headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        pass
