"""Every error says who must act, and ends the program with the design's exit code."""

import inspect

import pytest

from schemas import errors
from schemas.errors import (
    CommandEventError,
    OperationFailed,
    Position,
    RecordError,
    SafetyRefusal,
    TransientFailure,
    UndecodableMessage,
    UnknownSchemaId,
    Unreachable,
    UsageError,
)

ALL = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, CommandEventError)]
LEAVES = [each for each in ALL if not each.__subclasses__()]


@pytest.mark.parametrize(
    ("branch", "code"),
    [(UsageError, 2), (RecordError, 1), (Unreachable, 3), (SafetyRefusal, 4), (OperationFailed, 1)],
)
def test_a_branch_of_the_tree_has_one_exit_code(branch: type[CommandEventError], code: int) -> None:
    leaves = [each for each in LEAVES if issubclass(each, branch)]
    assert leaves
    assert {each.exit_code for each in [branch, *leaves]} == {code}


def test_only_what_may_work_the_next_time_is_worth_another_try() -> None:
    retriable = {each for each in ALL if issubclass(each, Unreachable | TransientFailure)} | {UnknownSchemaId}
    assert {each for each in ALL if each.retriable} == retriable


@pytest.mark.parametrize("each", ALL)
def test_the_picture_at_the_head_of_the_module_shows_every_error(each: type[CommandEventError]) -> None:
    assert each.__name__ in (errors.__doc__ or "").split()


@pytest.mark.parametrize("each", [leaf for leaf in LEAVES if issubclass(leaf, RecordError)])
def test_a_bad_record_is_found_again_by_its_message(each: type[RecordError]) -> None:
    error = each("it is broken", Position("orders", 5, 77))
    assert str(error) == "orders:5:77: it is broken"
    assert (error.what, error.position) == ("it is broken", Position("orders", 5, 77))


def test_bytes_that_can_never_be_read_are_told_from_records_that_can() -> None:
    assert issubclass(errors.MalformedBody, UndecodableMessage)
    assert not issubclass(errors.ConflictingOrder, UndecodableMessage)
