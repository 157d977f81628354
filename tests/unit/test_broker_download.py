"""Fetching into the cache, with a repository that misbehaves as asked."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from broker.artifacts import Artifact, Manifest, faults
from broker.download import provide
from broker.errors import DownloadError, TamperedError
from broker.progress import Step, silent


def artifact(name: str, content: bytes) -> Artifact:
    return Artifact(
        f"org.example:{name}:1", f"{name}-1.jar", len(content), hashlib.sha256(content).hexdigest()
    )


CONTENT = {f"jar{number}-1.jar": b"%d" % number * 100 for number in range(8)}
MANIFEST = Manifest(
    "Example 1", tuple(artifact(file.split("-")[0], body) for file, body in CONTENT.items()), None
)


class Repository:
    """Serves CONTENT; `answers` replaces what one file yields, one entry a request."""

    def __init__(self, answers: dict[str, list[bytes | Exception]] | None = None) -> None:
        self.answers = answers or {}
        self.asked: list[str] = []

    def __call__(self, wanted: Artifact, folder: Path, count: Callable[[int], None]) -> Path:
        self.asked.append(wanted.file)
        planned = self.answers.get(wanted.file)
        answer = planned.pop(0) if planned else CONTENT[wanted.file]
        if isinstance(answer, Exception):
            raise answer
        folder.mkdir(parents=True)
        path = folder / wanted.file
        path.write_bytes(answer)
        count(len(answer))
        return path


def test_what_is_missing_is_fetched_and_then_never_again(tmp_path: Path) -> None:
    repository = Repository()
    paths = provide(MANIFEST, tmp_path, silent, fetch=repository)
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())
    provide(MANIFEST, tmp_path, silent, fetch=repository)
    assert sorted(repository.asked) == sorted(CONTENT)


def test_progress_counts_files_and_bytes_up_to_the_whole(tmp_path: Path) -> None:
    steps: list[Step] = []
    provide(MANIFEST, tmp_path, steps.append, fetch=Repository())
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[-1] == Step("download", "downloading Example 1, 8 of 8 files", 800, 800)


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 100])
def test_a_damaged_file_in_the_cache_is_fetched_anew_and_the_others_are_not(
    tmp_path: Path, damage: bytes
) -> None:
    provide(MANIFEST, tmp_path, silent, fetch=Repository())
    MANIFEST.artifacts[3].path_in(tmp_path).write_bytes(damage)
    repository = Repository()
    provide(MANIFEST, tmp_path, silent, fetch=repository)
    assert repository.asked == ["jar3-1.jar"]
    assert faults(MANIFEST.artifacts, tmp_path) == []


def test_a_truncated_transfer_is_repeated_once(tmp_path: Path) -> None:
    repository = Repository({"jar5-1.jar": [b"55"]})
    provide(MANIFEST, tmp_path, silent, fetch=repository)
    assert repository.asked.count("jar5-1.jar") == 2
    assert faults(MANIFEST.artifacts, tmp_path) == []


def test_a_file_that_differs_twice_is_refused_and_never_reaches_the_cache(tmp_path: Path) -> None:
    repository = Repository({"jar2-1.jar": [b"evil", b"evil"]})
    with pytest.raises(TamperedError, match=r"jar2-1\.jar was fetched 2 times and is not the file"):
        provide(MANIFEST, tmp_path, silent, fetch=repository)
    assert not MANIFEST.artifacts[2].path_in(tmp_path).exists()


def test_an_interrupted_download_leaves_whole_files_only_and_goes_on_where_it_was(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="no network"):
        provide(MANIFEST, tmp_path, silent, fetch=Repository({"jar7-1.jar": [DownloadError("no network")]}))
    kept = {path.name for path in tmp_path.rglob("*.jar")}
    assert {each.file for each in faults(MANIFEST.artifacts, tmp_path)} == CONTENT.keys() - kept
    repository = Repository()
    provide(MANIFEST, tmp_path, silent, fetch=repository)
    assert set(repository.asked) == CONTENT.keys() - kept


def test_nothing_of_a_download_is_left_beside_the_files(tmp_path: Path) -> None:
    (tmp_path / ".staging" / "of-a-killed-run").mkdir(parents=True)
    provide(MANIFEST, tmp_path, silent, fetch=Repository())
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {*CONTENT, ".lock"}
