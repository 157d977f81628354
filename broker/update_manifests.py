"""`python -m broker.update_manifests`: write the committed manifests anew, after a version was changed here.

I/O: the Maven repository (through jgo), broker/manifests/*.json.

For maintainers; `cev` never runs it. The versions below are the one place where they are chosen.
Promise: what it writes is what was downloaded in this run, compared with nothing: review the difference
before committing it.
"""

import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from broker.artifacts import Artifact, Manifest, render, sha256_of, tree_digest

# 4.4.0 cannot be resolved: kafka-tools-api is missing from the repository.
KAFKA = "org.apache.kafka:kafka_2.13:4.3.1"
# Kafka brings log4j-core 2.25.4 but no SLF4J binding, and logs nothing at all without one. It is fetched
# alone: resolved together with Kafka, its parent's dependency management would change Kafka's own versions.
BINDING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
REGISTRY = "io.apicurio:apicurio-registry-app:3.3.3:all:tar.gz"

_MANIFESTS = Path(__file__).parent / "manifests"


def _artifact(resolved: Any, coordinate: str) -> Artifact:
    path = Path(resolved.resolve())
    return Artifact(coordinate, resolved.filename, path.stat().st_size, sha256_of(path))


def _single(coordinate: str) -> Any:
    from jgo.maven import MavenContext  # noqa: PLC0415 - slow to import, and only a maintainer needs it

    group, name, version, *rest = coordinate.split(":")
    return MavenContext().project(group, name).at_version(version).artifact(*(rest or ["", "jar"]))


def renew_kafka() -> Manifest:
    """Resolve Kafka with everything it needs at run time."""
    import jgo  # noqa: PLC0415 - slow to import, and as above

    artifacts = [
        _artifact(resolved, f"{resolved.groupId}:{resolved.artifactId}:{resolved.version}")
        for resolved in jgo.resolve(KAFKA)
    ]
    return Manifest(
        "Apache Kafka 4.3.1", tuple(sorted([*artifacts, _artifact(_single(BINDING), BINDING)])), None
    )


def renew_registry() -> Manifest:
    """Fetch the registry's one archive and unpack it for the digest of its tree."""
    resolved = _single(REGISTRY)
    artifact = _artifact(resolved, REGISTRY)
    with tempfile.TemporaryDirectory() as folder, tarfile.open(resolved.resolve()) as archive:
        archive.extractall(folder, filter="data")
        return Manifest("Apicurio Registry 3.3.3", (artifact,), tree_digest(Path(folder)))


def main() -> None:
    """Write both manifests."""
    for name, renew in (("kafka", renew_kafka), ("registry", renew_registry)):
        target = _MANIFESTS / f"{name}.json"
        target.write_text(render(renew()), encoding="utf-8")
        sys.stdout.write(f"{target}\n")


if __name__ == "__main__":
    main()
