"""Fetching with the real client, from a repository on loopback: no test here needs the internet.

I/O: an HTTP server on 127.0.0.1; the cache of this machine is read, and never written.
"""

import functools
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from broker.artifacts import Manifest, faults, load
from broker.download import default_cache, provide
from broker.errors import DownloadError, TamperedError
from broker.progress import silent
from tests.support.kafka.broker import BrokerFixture

FEW = Manifest("three of Kafka's jars", load("kafka").artifacts[:3], None)


class Repository(BaseHTTPRequestHandler):
    """Serves this machine's cache; the first `truncated` requests for jars end in the middle."""

    truncated = 0

    def do_GET(self) -> None:
        path = default_cache() / self.path.removeprefix("/")
        if not path.is_file():
            self.send_error(404)
            return
        body = path.read_bytes()
        if type(self).truncated > 0:
            type(self).truncated -= 1
            body = body[: len(body) // 2]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def repository(cluster: BrokerFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The repository that the user's jgo configuration names; the session's broker has filled the cache."""
    assert cluster.bootstrap
    server = ThreadingHTTPServer(("127.0.0.1", 0), Repository)
    settings = tmp_path / "jgo.conf"
    settings.write_text(f"[repositories]\ncentral = http://127.0.0.1:{server.server_port}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
    thread = threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.01))
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("repository")
def test_jars_are_fetched_from_the_repository_that_the_user_has_configured(tmp_path: Path) -> None:
    paths = provide(FEW, tmp_path / "cache", silent)
    assert [path.name for path in paths] == [artifact.file for artifact in FEW.artifacts]
    assert faults(FEW.artifacts, tmp_path / "cache") == []


@pytest.mark.usefixtures("repository")
def test_a_tampered_jar_is_fetched_again(tmp_path: Path) -> None:
    path = provide(FEW, tmp_path / "cache", silent)[1]
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert faults(FEW.artifacts, tmp_path / "cache") == [FEW.artifacts[1]]
    provide(FEW, tmp_path / "cache", silent)
    assert faults(FEW.artifacts, tmp_path / "cache") == []


@pytest.mark.usefixtures("repository")
def test_a_truncated_transfer_is_fetched_again_and_refused_if_that_is_no_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = FEW._replace(artifacts=FEW.artifacts[:1])
    monkeypatch.setattr(Repository, "truncated", 2)
    with pytest.raises(TamperedError, match="was fetched 2 times"):
        provide(one, tmp_path / "cache", silent)
    monkeypatch.setattr(Repository, "truncated", 1)
    provide(one, tmp_path / "cache", silent)
    assert faults(one.artifacts, tmp_path / "cache") == []


def test_without_a_network_one_line_says_that_the_first_start_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "jgo.conf"
    settings.write_text("[repositories]\ncentral = http://127.0.0.1:1\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
    with pytest.raises(DownloadError, match="The first start needs the network") as caught:
        provide(FEW, tmp_path / "cache", silent)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache").rglob("*.jar")) == []
