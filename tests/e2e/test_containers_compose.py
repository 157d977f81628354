"""docker-compose.yml, brought up as docs/deployment.md says it: all commands of its bash blocks are run.

I/O: the container engine; bash; Kafka and HTTP on 127.0.0.1.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.support.containers.compose import AS_DOCKER_COMPOSE, UP_S, Compose, command, compose
from tests.support.containers.containers import cleared, engine, read
from tests.support.containers.images import ROOT
from tests.support.documents import documents
from tests.support.documents.documents import Block
from tests.support.documents.shell import Shell
from tests.support.kafka.log import until

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]
DOCUMENT = Path("docs/deployment.md")
_PORT = re.compile(r"\blocalhost:(9092|8080|8025|8090|5432)\b")


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    found = engine()
    with cleared(found):
        yield found
    found.close()


@pytest.fixture(scope="module")
def project(client: docker.DockerClient) -> Iterator[Compose]:
    del client
    words = command()
    assert words, "there is an engine, and neither docker compose nor docker-compose to drive it"
    with compose(words) as made:
        yield made


class Reader:
    """Somebody who types the document's bash blocks, in order, in one session."""

    def __init__(self, project: Compose, folder: Path) -> None:
        self._project = project
        desk, outputs = folder / "desk", folder / "outputs"
        desk.mkdir()
        outputs.mkdir()
        self._shell = Shell(desk, outputs, {**project.environment, "CEV_DATA_DIR": str(folder / "data")})
        if command() == ("docker-compose",):
            self.run(AS_DOCKER_COMPOSE)

    def run(self, text: str) -> tuple[str, int]:
        """Type one command, with the project's ports in place of the document's."""
        here = _PORT.sub(lambda found: f"127.0.0.1:{self._project.ports[int(found[1])]}", text)
        # The engine carries the two streams of a command in a container one by one: their order is lost.
        return self._shell.run(here, UP_S, apart="docker compose exec" in text)

    def read(self, block: Block) -> None:
        """Type a block; what does not come as the document shows it fails the test."""
        for each in documents.commands(DOCUMENT, block):
            output, code = self.run(each.text)
            assert (wrong := each.mismatch(output, code)) is None, wrong

    def leave(self) -> None:
        self._shell.close()


def members(project: Compose, group: str) -> int:
    """How many members a group has, as the broker sees it; 0 while it does not know the group, or not say."""
    admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{project.ports[9092]}"})
    try:
        return len(admin.describe_consumer_groups([group])[group].result(10).members)
    except KafkaException:
        return 0


def of_project(client: docker.DockerClient, project: Compose) -> list[Any]:
    return list(client.containers.list(filters={"label": f"com.docker.compose.project={project.project}"}))


def test_the_compose_file_is_valid_for_the_compose_that_is_here(project: Compose) -> None:
    assert "published" in project.run("config") or "127.0.0.1" in project.run("config")


def test_a_team_can_do_what_the_deployment_document_says(
    client: docker.DockerClient, project: Compose, tmp_path: Path
) -> None:
    *story, end = [
        each for each in documents.blocks((ROOT / DOCUMENT).read_text("utf-8")) if each.language == "bash"
    ]
    reader = Reader(project, tmp_path)
    try:
        for block in story:
            reader.read(block)
        until(lambda: members(project, "warehouse") == 3, "three warehouses share the work")
        until(lambda: members(project, "loyalty") == 1, "loyalty has joined")
        load, code = reader.run("cev order load --count 60 --rate 0 --json")
        assert code == 0, load
        verdict, code = reader.run("docker compose exec -T sales cev verify --wait 60 --json")
        assert code == 0, verdict
        assert '"dispatched": 63' in verdict
        inbox = read(f"http://127.0.0.1:{project.ports[8025]}/api/v1/messages?limit=500")
        mails = {each["MessageID"].split("@")[0] for each in inbox["messages"]}
        assert "notification.12005.email" in mails
        running = of_project(client, project)
        until(lambda: {_health(client, each) for each in running} == {"healthy"}, "everything is healthy")
        assert {binding["HostIp"] for each in running for binding in _published(each)} == {"127.0.0.1"}
        reader.read(end)
        assert project.left(client) == []
    finally:
        reader.leave()


def test_with_the_profile_the_stores_are_in_postgresql(client: docker.DockerClient, tmp_path: Path) -> None:
    words = command()
    assert words
    story = [each for each in documents.blocks((ROOT / DOCUMENT).read_text("utf-8")) if each.language == "sh"]
    with compose(words) as project:
        # `down` leaves what belongs to no active profile.
        project.environment["COMPOSE_PROFILES"] = "postgres"
        reader = Reader(project, tmp_path)
        try:
            for block in story:
                reader.read(block)
            dump, code = reader.run("grep -c 'COPY cev_warehouse.effects' warehouse.sql")
            assert (dump.strip(), code) == ("1", 0)
            files, code = reader.run(
                "docker compose exec -T sales sh -c 'ls /data/stores 2>/dev/null | wc -l'"
            )
            assert (files.strip(), code) == ("0", 0)
        finally:
            reader.leave()
    assert project.left(client) == []


def _health(client: docker.DockerClient, container: Any) -> str:
    return str(client.containers.get(container.id).health)


def _published(container: Any) -> Iterator[dict[str, str]]:
    for bindings in container.attrs["NetworkSettings"]["Ports"].values():
        yield from bindings or ()
