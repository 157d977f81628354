"""docker-compose.yml under a project of this run's own, driven by whichever compose is here.

I/O: the container engine, through `docker compose` or `docker-compose`; the environment.

testcontainers has a class for this that runs `docker compose` only. Debian has `docker-compose` 1.29, which
must read the file too, so the command is run here.
Promise: `close` leaves nothing of the project, whatever happened before.
"""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import docker

from broker.ports import any_free
from tests.support.containers.images import ROOT, images, program

UP_S = 300.0
# What a shell needs for `docker compose` to mean `docker-compose` where only that is installed.
AS_DOCKER_COMPOSE = (
    'docker() { [ "$1" = compose ] || { command docker "$@"; return; }; shift; docker-compose "$@"; }'
)


def command() -> Sequence[str] | None:
    """The words that compose is called by here, or None."""
    if shutil.which("docker"):
        asked = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False, timeout=60)
        if asked.returncode == 0:
            return "docker", "compose"
    return ("docker-compose",) if shutil.which("docker-compose") else None


class Compose:
    """The file, as one project.

    Attributes:
        environment: for a shell in which compose, and the program on the host, find the project.
        ports: where it is published, by the port that the documents name.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self.project = f"cev{uuid.uuid4().hex[:10]}"
        # Built by now with the same arguments: for compose's own build every layer is there.
        program()
        named = images()
        self.ports = dict(zip((9092, 8080, 8025, 8090, 5432), any_free(5), strict=True))
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("CEV_", "COMPOSE_"))
        }
        self.environment = {
            **kept,
            **named,
            "COMMAND_EVENT_IMAGE": f"command-event:{self.project}",
            "COMPOSE_PROJECT_NAME": self.project,
            "COMPOSE_FILE": str(ROOT / "docker-compose.yml"),
            "KAFKA_PORT": str(self.ports[9092]),
            "REGISTRY_PORT": str(self.ports[8080]),
            "MAIL_PORT": str(self.ports[8025]),
            "GATEWAY_PORT": str(self.ports[8090]),
            "POSTGRES_PORT": str(self.ports[5432]),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def run(self, *words: str, seconds: float = 120) -> str:
        """What compose prints."""
        done = subprocess.run(
            [*self._words, *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            env=self.environment,
            cwd=ROOT,
        )
        assert done.returncode == 0, f"compose {' '.join(words)}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def close(self) -> None:
        """Remove containers, networks, volumes and the image of the project."""
        self.run("down", "--volumes", "--remove-orphans", "--timeout", "5", "--rmi", "local")
        name = self.environment["COMMAND_EVENT_IMAGE"]
        subprocess.run(["docker", "image", "rm", name], capture_output=True, check=False, timeout=60)

    def left(self, client: docker.DockerClient) -> list[str]:
        """What there is of the project now, by name."""
        mine = {"label": f"com.docker.compose.project={self.project}"}
        found = [*client.containers.list(all=True, filters=mine), *client.networks.list(filters=mine)]
        return [str(each.name) for each in [*found, *client.volumes.list(filters=mine)]]


@contextmanager
def compose(words: Sequence[str]) -> Iterator[Compose]:
    """A project that lives as long as the block."""
    made = Compose(words)
    try:
        yield made
    finally:
        made.close()
