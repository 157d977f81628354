"""The page about adding a reaction, followed in a copy of the project: three places, and everything knows it.

I/O: a copy of the sources in a temporary directory, child processes there.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.architecture import ROOMS
from tests.support.documents.documents import Block, blocks

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reactions.md"
WITH_A_TABLE = ("consumers_registry", "architecture", "cli_completion", "cli_wrong_names", "erasure_doc")
"""Tests of what knows every reaction."""


def listings(language: str) -> list[Block]:
    return [block for block in blocks(PAGE.read_text("utf-8")) if block.language == language]


def changed(text: str, change: Block) -> str:
    """A text after a change that the page shows as a diff."""
    before = "".join(f"{line[1:]}\n" for line in change.lines if line[0] != "+")
    after = "".join(f"{line[1:]}\n" for line in change.lines if line[0] != "-")
    assert text.count(before) == 1, f"{PAGE.name}:{change.line}: that is not there"
    return text.replace(before, after)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with what the page adds."""
    tree = tmp_path_factory.mktemp("copy")
    for folder in (*ROOMS, "tests", "docs"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tree / file)
    reaction, test = listings("py")
    (tree / "consumers" / "gifts.py").write_text("\n".join(reaction.lines) + "\n", "utf-8")
    (tree / "tests" / "unit" / "reactions" / "test_gifts.py").write_text(
        "\n".join(test.lines) + "\n", "utf-8"
    )
    registry, erasure = tree / "consumers" / "registry.py", tree / "docs" / "erasure.md"
    for change, page in zip(listings("diff"), (registry, registry, erasure), strict=True):
        page.write_text(changed(page.read_text("utf-8"), change), "utf-8")
    return tree


def run(tree: Path, *words: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CEV_")}
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=tree,
        env={**environment, "PYTHONPATH": str(tree), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_test_and_the_tests_of_all_reactions_and_of_the_architecture_pass(copy: Path) -> None:
    files = ["reactions", *(f"test_{name}.py" for name in WITH_A_TABLE)]
    output = run(copy, "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/unit/{file}" for file in files))
    assert "passed" in output
    assert "test_gifts.py" in run(copy, "pytest", "-q", "--collect-only", "tests/unit/reactions")


def test_what_the_page_lists_is_written_as_the_house_writes(copy: Path) -> None:
    files = ("consumers/gifts.py", "consumers/registry.py", "tests/unit/reactions/test_gifts.py")
    run(copy, "ruff", "check", *files)
    run(copy, "ruff", "format", "--check", *files)
    run(copy, "mypy", *files)


def test_the_command_line_knows_it(copy: Path) -> None:
    assert "gifts" in run(copy, "cli", "consume", "--help")
    assert "gifts" in run(copy, "cli", "effects", "--help")
