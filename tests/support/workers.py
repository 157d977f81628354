"""How `pytest -n 3` shares the tests between its workers.

Promise: every test of a file runs on one worker, in the file's order, so that what a file starts is started
once; but for files whose tests share nothing and are long. Each worker has a broker and a database server of
its own (fixtures of the session), and looks for free ports where no other worker does.
"""

import os
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it ships no types

_TIERS = ("unit", "e2e", "malformed", "integration", "contract")
"""In the order in which they run: the fast ones tell soonest, the files of the last ones are small."""
_TOGETHER = {
    "test_containers_compose.py": "containers",
    "test_containers_program.py": "containers",
    "test_flip.py": "shop",
    "test_foreign_writer.py": "shop",
}
"""Files that share what is costly: images that are built once, a broker with a registry."""
_APART = {"test_documents.py"}
"""Files whose tests have a world each: one worker alone would be at them when all others have ended."""


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """Files in the order of the collection; some go together."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        name = Path(file).name
        return nodeid if name in _APART else _TOGETHER.get(name, file)


def rank(item: pytest.Item) -> int:
    """Where a test's tier stands."""
    tier = item.path.relative_to(Path(__file__).parents[1]).parts[0]
    return _TIERS.index(tier)


def ports(first: int, last: int) -> tuple[int, int]:
    """This worker's part of a range of ports; all of it where there are no workers."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    size = (last - first) // count
    return first + number * size, first + (number + 1) * size
