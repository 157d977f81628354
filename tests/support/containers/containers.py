"""Containers for tests: an engine, a network, and what runs in it, all removed at the end.

I/O: the container engine, through testcontainers; HTTP on 127.0.0.1; the environment.

Promise: everything made here has the label `command-event.test` with this run's own name, and what has it is
removed at the end: after a failure, after Ctrl-C and after SIGTERM too. Names and ports are the run's own, so
two runs do not meet. Ports are published on 127.0.0.1 only.
Not here: which images (images.py), the compose file (compose.py).
"""

import contextlib
import json
import os
import shutil
import signal
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NoReturn, Self

import docker
import pytest
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from tests.support.containers.images import CONTEXTS, images, program, works
from tests.support.kafka.log import until
from tests.support.receivers import free_port

LABEL = "command-event.test"
RUN = f"cev-{uuid.uuid4().hex[:10]}"
LABELS = {LABEL: RUN}
START_S = 90.0
HEALTH = 8081
_NO_ENGINE = "no container engine answers here: .ci/engine COMMAND starts one for a command"


def engine() -> docker.DockerClient:
    """The container engine; skips the test where none answers, with CI=true fails it."""
    if not _answers() and os.environ.get("CI") != "true":
        pytest.skip(_NO_ENGINE)
    # Its reaper is one more image to pull. What it would do, `cleared` does.
    testcontainers_config.ryuk_disabled = True
    testcontainers_config.tc_host_override = "localhost"
    assert _answers(), _NO_ENGINE
    return docker.from_env(timeout=60)


@cache
def _answers() -> bool:
    # Asked by its own command: where nothing answers, docker-py leaves a socket open.
    return shutil.which("docker") is not None and works("version", seconds=30)


@contextlib.contextmanager
def cleared(client: docker.DockerClient) -> Iterator[None]:
    """After the block nothing with this run's label is left."""
    before = None
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, _interrupted)
    try:
        yield
    finally:
        mine = {"label": f"{LABEL}={RUN}"}
        for container in client.containers.list(all=True, filters=mine):
            container.remove(force=True, v=True)
        for each in [*client.networks.list(filters=mine), *client.volumes.list(filters=mine)]:
            each.remove()
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _interrupted(_number: int, _frame: object) -> NoReturn:
    """Tell pytest to end as by Ctrl-C: SIGTERM alone would leave everything behind."""
    raise KeyboardInterrupt


def read(url: str) -> Any:
    """The JSON document at a URL, also where the status says that something is wrong."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def answers(url: str) -> bool:
    """Whether something answers at a URL with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


class Container(DockerContainer):
    """One container of this run.

    Args:
        image: name or id.
        name: what the others in the network call it.
        network: where it is.
        ports: container ports to publish on 127.0.0.1, each with the host's port or None for any.
    """

    def __init__(
        self,
        image: str,
        name: str,
        network: Network,
        ports: Mapping[int, int | None] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(image, name=f"{RUN}-{name}", network=network, network_aliases=[name])
        self.with_kwargs(labels=LABELS, **more)
        for inside, outside in (ports or {}).items():
            # docker-py takes an address here, testcontainers hands it on.
            self.ports[f"{inside}/tcp"] = ("127.0.0.1", outside)  # type: ignore[assignment]  # as above

    def start(self) -> Self:
        """Start it; one that did not start is removed."""
        try:
            return super().start()
        except BaseException:
            self.stop()
            raise

    @property
    def it(self) -> Any:
        """docker-py's container, with what the engine knows of it now."""
        found: Any = self.get_wrapped_container()
        found.reload()
        return found

    def url(self, port: int, path: str = "") -> str:
        """Where a published port is now; a restart may change it."""
        bound = self.it.attrs["NetworkSettings"]["Ports"].get(f"{port}/tcp")
        return f"http://127.0.0.1:{bound[0]['HostPort']}{path}" if bound else "http://127.0.0.1:1"

    def run(self, *words: str, code: int = 0) -> str:
        """What a command printed inside; it must end with `code`."""
        done = self.it.exec_run(list(words), demux=True)
        out, err = ((part or b"").decode() for part in done.output)
        assert done.exit_code == code, f"{words} ended with {done.exit_code}:\n{out}{err}"
        return out

    def cev(self, *words: str, code: int = 0) -> list[Any]:
        """The JSON lines that a command of the program prints inside."""
        return [json.loads(line) for line in self.run("cev", *words, "--json", code=code).splitlines()]

    def says(self) -> str:
        """Its log."""
        return str(self.it.logs().decode(errors="replace"))


class World:
    """A broker, a registry, a mail server and a data volume; `consume` adds the program."""

    def __init__(self, client: docker.DockerClient) -> None:
        self._client = client
        self.network = Network(docker_network_kw={"labels": LABELS}).create()
        self.volume = client.volumes.create(f"{RUN}-stores", labels=LABELS).name
        names = images()
        self.port = free_port()
        self.kafka = Container(names["KAFKA_IMAGE"], "kafka", self.network, {9092: self.port})
        self.registry = Container(names["REGISTRY_IMAGE"], "registry", self.network, {8080: None})
        self.mail = Container(names["MAIL_IMAGE"], "mail", self.network, {8025: None})

    @property
    def bootstrap(self) -> str:
        """Where the host's own programs find the broker."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start what the program needs, and make the topics."""
        self.kafka.with_env_file(CONTEXTS / "kafka.env")
        self.kafka.with_env("KAFKA_ADVERTISED_LISTENERS", f"INTERNAL://kafka:19092,HOST://{self.bootstrap}")
        self.registry.with_env("JAVA_TOOL_OPTIONS", "-Xmx384m")
        for each in (self.kafka, self.registry, self.mail):
            each.start()
        self.await_broker()
        until(
            lambda: answers(self.registry.url(8080, "/apis/ccompat/v7/subjects")),
            "the registry answers",
            START_S,
        )
        until(lambda: answers(self.mail.url(8025, "/readyz")), "the mail server answers", START_S)
        topics = self.program("topics", "topics create")
        topics.start()
        ended = topics.it.wait(timeout=START_S)
        assert ended["StatusCode"] == 0, topics.says()

    def await_broker(self) -> None:
        """Wait until the broker serves."""
        probe = ["bash", "-c", "</dev/tcp/127.0.0.1/19092"]
        until(lambda: self._kafka().exec_run(probe).exit_code == 0, "the broker serves", START_S)

    def _kafka(self) -> Any:
        found = self.kafka.it
        assert found.status == "running", self.kafka.says()
        return found

    def program(self, name: str, command: str) -> Container:
        """A container of the program, locked down as the compose file does it; not started."""
        container = Container(
            program(),
            name,
            self.network,
            {HEALTH: None},
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
        )
        container.with_volume_mapping(self.volume, "/data", "rw")
        container.tmpfs["/tmp"] = ""
        container.with_envs(
            CEV_BOOTSTRAP_SERVERS="kafka:19092",
            CEV_SCHEMA_REGISTRY_URL="http://registry:8080/apis/ccompat/v7",
            CEV_SMTP_URL="smtp://mail:1025",
        )
        return container.with_command(command)

    def consume(self, reaction: str) -> Container:
        """A running member of a group that is ready."""
        container = self.program(reaction, f"consume {reaction}").start()
        self.await_ready(container)
        return container

    def await_ready(self, container: Container) -> None:
        """Wait until the program says that it is ready."""
        until(
            lambda: answers(container.url(HEALTH, "/health/ready")), f"{container.it.name} is ready", START_S
        )

    def mails(self) -> dict[str, str]:
        """Recipient and subject of every mail, by its Message-ID."""
        found = read(self.mail.url(8025, "/api/v1/messages?limit=500"))["messages"]
        return {each["MessageID"]: f"{each['To'][0]['Address']} {each['Subject']}" for each in found}
