"""What contract tests share: a store's name, on each database, and a payment gateway."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from databases.address import StoreAddress
from tests.support.payments import PaymentGateway
from tests.support.stores.postgres import STORE_KINDS
from tests.support.stores.stores import template


@pytest.fixture(params=STORE_KINDS)
def store_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def name(store_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> StoreAddress:
    """The store of a group `warehouse`; nobody has opened it yet."""
    url = request.getfixturevalue("migrated_url") if store_kind == "postgres" else None
    found = StoreAddress.at("warehouse", data_dir=tmp_path, database_url=url)
    if found.path is not None:
        found.path.parent.mkdir()
        shutil.copyfile(template(), found.path)
    return found


@pytest.fixture
def new(store_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> StoreAddress:
    """The same where there is nothing at all."""
    url = request.getfixturevalue("postgres_url") if store_kind == "postgres" else None
    return StoreAddress.at("warehouse", data_dir=tmp_path, database_url=url)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentGateway]:
    """One process for the tests of a module."""
    made = PaymentGateway(tmp_path_factory.mktemp("gateway"))
    yield made
    made.kill()
