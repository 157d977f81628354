"""Whether a group's committed offsets and its store belong together, before anything is reconciled."""

from pathlib import Path

import pytest

from databases.address import StoreAddress
from operations.groups import CommittedOffset
from operations.verify.reading import _check_store
from schemas.errors import OperationFailed

ADDRESS = StoreAddress.at("warehouse", data_dir=Path("/data"))


def test_a_group_that_another_program_committed_needs_no_store_of_ours() -> None:
    _check_store("warehouse", None, {("dispatch_products", 0): CommittedOffset(4, "")}, ADDRESS)


def test_a_group_that_committed_with_a_store_of_ours_needs_that_store() -> None:
    ours = {("dispatch_products", 0): CommittedOffset(4, "46eb50bd")}
    with pytest.raises(OperationFailed, match="there is no store"):
        _check_store("warehouse", None, ours, ADDRESS)
