"""Fetching the Java side into a cache that all data directories share.

I/O: the Maven repository (through jgo); the cache directory.

    missing or different -> fetched into a staging directory -> hashed -> moved into place
                                     ^                             |
                                     +---- different: once again --+--- different again: refused

Promise: a file is in the cache whole or not at all, whatever interrupts the download. When everything is
there, nothing is asked of the network and jgo is not even imported.
Not here: the list itself (artifacts.py, manifests/).
"""

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import platformdirs

from broker.artifacts import Artifact, Manifest, faults, is_sound
from broker.datadir import locked, readable_errors
from broker.errors import DownloadError, TamperedError
from broker.progress import Report, Step
from broker.waiting import TimeLimit

_AT_A_TIME = 4
_TRIES = 2
_DOWNLOAD_DEADLINE_S = 1800.0

Fetch = Callable[[Artifact, Path, Callable[[int], None]], Path]
"""(artifact, target directory, called with the size of each chunk in bytes) -> the file"""


def default_cache() -> Path:
    """Where the files are kept unless told otherwise: the user's cache folder."""
    return platformdirs.user_cache_path("command-event") / "java"


def provide(manifest: Manifest, cache: Path, report: Report, *, fetch: Fetch | None = None) -> list[Path]:
    """Make sure that every file of the manifest is in the cache and is the one on the list.

    Returns: the files' paths, in the manifest's order.
    Raises: DownloadError, TamperedError, BusyError; DataDirError where the cache cannot be written.
    """
    if faults(manifest.artifacts, cache):
        with readable_errors(cache), locked(cache / ".lock", TimeLimit.after(_DOWNLOAD_DEADLINE_S)):
            # Another process may have fetched them while we waited.
            wrong = faults(manifest.artifacts, cache)
            _fetch_all(manifest.name, wrong, cache, report, fetch or fetch_with_jgo)
    return [artifact.path_in(cache) for artifact in manifest.artifacts]


def _fetch_all(name: str, wanted: list[Artifact], cache: Path, report: Report, fetch: Fetch) -> None:
    meter = _Meter(name, wanted, report)
    with _staging(cache) as staging, ThreadPoolExecutor(_AT_A_TIME) as pool:
        futures = [pool.submit(_fetch_one, artifact, cache, staging, meter, fetch) for artifact in wanted]
        try:
            for future in futures:
                future.result()
        except BaseException:
            meter.give_up()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch_one(artifact: Artifact, cache: Path, staging: Path, meter: "_Meter", fetch: Fetch) -> None:
    for attempt in range(_TRIES):
        folder = staging / f"{artifact.file}.{attempt}"
        fetched = fetch(artifact, folder, meter.add)
        if is_sound(artifact, fetched):
            target = artifact.path_in(cache)
            target.parent.mkdir(parents=True, exist_ok=True)
            fetched.replace(target)
            meter.finish(artifact)
            return
    raise TamperedError(
        f"{artifact.file} was fetched {_TRIES} times and is not the file that this version was tested with "
        f"(expected SHA-256 {artifact.sha256}); it is not started. Look for a proxy that changes downloads"
    )


@contextlib.contextmanager
def _staging(cache: Path) -> Iterator[Path]:
    """A directory on the cache's own file system; what an interrupted run left behind goes first."""
    parent = cache / ".staging"
    shutil.rmtree(parent, ignore_errors=True)
    parent.mkdir(parents=True)
    try:
        yield Path(tempfile.mkdtemp(dir=parent))
    finally:
        shutil.rmtree(parent, ignore_errors=True)


class _Meter:
    """Adds up what the threads fetched, and ends them after an error or the deadline."""

    def __init__(self, name: str, wanted: list[Artifact], report: Report) -> None:
        self._name = name
        self._files = len(wanted)
        self._total = sum(artifact.size for artifact in wanted)
        self._report = report
        self._lock = threading.Lock()
        self._done_files = 0
        self._done = 0
        self._stopped = False
        self._deadline = TimeLimit.after(_DOWNLOAD_DEADLINE_S)

    def add(self, count: int) -> None:
        """Count bytes, from any thread."""
        if self._stopped or self._deadline.passed():
            raise DownloadError(
                f"downloading {self._name} did not finish in time; try again, what is there is kept"
            )
        with self._lock:
            self._done = min(self._done + count, self._total)
            self._report_progress()

    def finish(self, _artifact: Artifact) -> None:
        """Count a file."""
        with self._lock:
            self._done_files += 1
            self._report_progress()

    def give_up(self) -> None:
        """Let the threads end at their next chunk."""
        self._stopped = True

    def _report_progress(self) -> None:
        text = f"downloading {self._name}, {self._done_files} of {self._files} files"
        self._report(Step("download", text, self._done, self._total))


def fetch_with_jgo(artifact: Artifact, folder: Path, count: Callable[[int], None]) -> Path:
    """Fetch one file; whether it is the right one is checked by the caller.

    Repositories of the user's own jgo configuration (a mirror) are honoured.

    Raises: DownloadError with the network's reason.
    """
    # 0.1 s to import, and never needed again once the cache is full.
    import requests  # noqa: PLC0415 - as above
    from jgo.config import GlobalSettings  # noqa: PLC0415 - as above
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415 - as above
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - as above

    @contextlib.contextmanager
    def counting(_file: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield count

    repositories = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    resolver: Any = PythonResolver(progress_callback=counting)
    context = MavenContext(resolver=resolver, repo_cache=folder, remote_repos=repositories)
    group, name, version, *rest = artifact.coordinate.split(":")
    wanted = context.project(group, name).at_version(version).artifact(*(rest or ["", "jar"]))
    try:
        return Path(wanted.resolve())
    except (requests.RequestException, RuntimeError) as error:
        raise DownloadError(
            f"{artifact.file} cannot be fetched from {', '.join(repositories)}: {_reason(error)}. "
            "The first start needs the network; what was fetched is kept"
        ) from error


def _reason(error: BaseException) -> str:
    """The innermost cause in one line; the libraries wrap it several times."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return " ".join(str(error).split()) or type(error).__name__
