"""The committed list of the Java files: coordinate, file, size, SHA-256.

I/O: reads the manifests and the files that they name.

The lists are `broker/manifests/*.json`, made by `python -m broker.update_manifests`. They exist because jgo
does not enforce its lock: it hands back a truncated jar without complaint. So the files that are about to be
put on a classpath are hashed before every start.

Promise: `faults` reads every byte of every file; nothing is cached between starts.
Not here: fetching (download.py).
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_MANIFESTS = Path(__file__).parent / "manifests"


class Artifact(NamedTuple):
    """One file of a Maven repository.

    `coordinate` is group:artifact:version[:classifier:packaging], as Maven writes it; `size` is in bytes;
    `sha256` is hexadecimal.
    """

    coordinate: str
    file: str
    size: int
    sha256: str

    def path_in(self, cache: Path) -> Path:
        """Where the file is kept below a cache, in the layout of a Maven repository."""
        group, artifact, version = self.coordinate.split(":")[:3]
        return cache.joinpath(*group.split("."), artifact, version, self.file)


class Manifest(NamedTuple):
    """All files of one program.

    `tree` is the digest of an unpacked archive (see `tree_digest`), None where nothing is unpacked.
    """

    name: str
    artifacts: tuple[Artifact, ...]
    tree: str | None


def load(name: str) -> Manifest:
    """Read the committed manifest `name` ("kafka" or "registry")."""
    return parse((_MANIFESTS / f"{name}.json").read_text(encoding="utf-8"))


def parse(text: str) -> Manifest:
    """Make a manifest of its JSON text."""
    document = json.loads(text)
    artifacts = tuple(Artifact(**entry) for entry in document["artifacts"])
    return Manifest(document["name"], artifacts, document["tree"])


def render(manifest: Manifest) -> str:
    """The JSON text of a manifest, one file per line so that a change is easy to review."""
    lines = ",\n    ".join(json.dumps(artifact._asdict()) for artifact in manifest.artifacts)
    head = f'  "name": {json.dumps(manifest.name)},\n  "tree": {json.dumps(manifest.tree)},\n'
    return f'{{\n{head}  "artifacts": [\n    {lines}\n  ]\n}}\n'


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_sound(artifact: Artifact, path: Path) -> bool:
    """Whether the file is there and is, byte for byte, the one on the list."""
    try:
        return path.stat().st_size == artifact.size and sha256_of(path) == artifact.sha256
    except FileNotFoundError:
        return False


def faults(artifacts: Iterable[Artifact], cache: Path) -> list[Artifact]:
    """The files that are missing from the cache or differ from the list."""
    return [artifact for artifact in artifacts if not is_sound(artifact, artifact.path_in(cache))]


def tree_digest(root: Path) -> str:
    """One SHA-256 over a directory: each file's path below `root` with its own SHA-256, in order of path.

    An added, missing, renamed or changed file changes it; times and permissions do not.
    """
    digest = hashlib.sha256()
    files = sorted((path.relative_to(root).as_posix(), path) for path in root.rglob("*") if not path.is_dir())
    for name, path in files:
        digest.update(f"{sha256_of(path)}  {name}\n".encode())
    return digest.hexdigest()
