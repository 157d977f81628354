"""The committed manifests, and what notices that a file is not on them."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.artifacts import Artifact, Manifest, faults, load, parse, render, sha256_of, tree_digest

SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
ABC = Artifact("org.example:abc:1.0", "abc-1.0.jar", 3, SHA256_OF_ABC)

texts = st.text(st.characters(codec="utf-8"), max_size=20)
artifacts = st.builds(Artifact, texts, texts, st.integers(0, 2**40), texts)
manifests = st.builds(Manifest, texts, st.lists(artifacts, max_size=4).map(tuple), st.none() | texts)


@given(manifests)
def test_a_manifest_is_read_as_it_was_written(manifest: Manifest) -> None:
    assert parse(render(manifest)) == manifest


@pytest.mark.parametrize(("name", "files", "tree"), [("kafka", 46, False), ("registry", 1, True)])
def test_the_committed_manifests_name_every_file_with_its_digest(name: str, files: int, tree: bool) -> None:  # noqa: FBT001 - a column of the table above
    manifest = load(name)
    assert len({artifact.file for artifact in manifest.artifacts}) == files
    assert (manifest.tree is not None) is tree
    for artifact in manifest.artifacts:
        _group, artifact_id, version = artifact.coordinate.split(":")[:3]
        assert artifact.file.startswith(f"{artifact_id}-{version}")
        assert re.fullmatch("[0-9a-f]{64}", artifact.sha256)
        assert artifact.size > 0


def test_kafka_comes_with_something_that_writes_its_log() -> None:
    versions = dict(artifact.coordinate.rsplit(":", 1) for artifact in load("kafka").artifacts)
    assert versions["org.apache.kafka:kafka_2.13"] == "4.3.1"
    binding = versions["org.apache.logging.log4j:log4j-slf4j-impl"]
    assert binding == versions["org.apache.logging.log4j:log4j-core"]


def test_a_file_lies_where_maven_would_put_it(tmp_path: Path) -> None:
    assert ABC.path_in(tmp_path) == tmp_path / "org" / "example" / "abc" / "1.0" / "abc-1.0.jar"


@pytest.mark.parametrize(
    ("content", "faulty"),
    [(b"abc", False), (b"abd", True), (b"ab", True), (b"", True), (b"abcd", True), (None, True)],
)
def test_only_the_very_bytes_are_accepted(tmp_path: Path, content: bytes | None, faulty: bool) -> None:  # noqa: FBT001 - a column of the table above
    path = ABC.path_in(tmp_path)
    path.parent.mkdir(parents=True)
    if content is not None:
        path.write_bytes(content)
    assert faults([ABC], tmp_path) == ([ABC] if faulty else [])


def test_a_tree_digest_sees_every_change_but_time(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    jar = tmp_path / "lib" / "a.jar"
    jar.write_bytes(b"abc")
    before = tree_digest(tmp_path)
    jar.touch()
    assert tree_digest(tmp_path) == before
    jar.write_bytes(b"abd")
    assert tree_digest(tmp_path) != before
    jar.write_bytes(b"abc")
    (tmp_path / "lib" / "b.jar").write_bytes(b"")
    added = tree_digest(tmp_path)
    assert added != before
    (tmp_path / "lib" / "b.jar").rename(tmp_path / "b.jar")
    assert tree_digest(tmp_path) not in (before, added)


def test_a_digest_is_the_one_that_sha256sum_prints(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == SHA256_OF_ABC
