"""What files of the e2e tier share: one shop with a schema registry, used by who leaves it in good order.

I/O: starts a world in a temporary directory.
"""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.support.program import Program


class Shop(NamedTuple):
    """A running world, and the addresses by which others reach it."""

    cev: Program
    bootstrap: str
    registry: str


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A world with a registry for the whole session; `cev verify` is ok before and after each test."""
    cev = Program(tmp_path_factory.mktemp("shop") / "data")
    with cev.up("--registry") as told:
        yield Shop(cev, told["bootstrap"], told["registry"])
