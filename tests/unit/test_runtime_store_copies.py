"""Whether all members of a group use one store, by what their clients are called."""

import pytest

from clients.groups import GroupMember
from consumers.runtime.store_copies import StoreUser, check_store, client_id, store_users, without_process
from schemas.errors import ForeignStore

STORE, OTHER_STORE = "5" * 32, "6" * 32
MINE, FELLOW, STRANGER = "a" * 32, "b" * 32, "c" * 32


def member(name: str) -> GroupMember:
    return GroupMember(name, "/10.0.0.7", frozenset())


def users(*members: tuple[str, str]) -> list[StoreUser]:
    return store_users([member(client_id(None, store, token)) for store, token in members])


@pytest.mark.parametrize("name", [None, "shop", "", "a-b", "5" * 32, f"x-{OTHER_STORE}-{STRANGER}"])
def test_a_member_says_which_store_it_uses_whatever_the_user_calls_his_clients(name: str | None) -> None:
    (user,) = store_users([member(client_id(name, STORE, MINE))])
    assert (user.store_id, user.token) == (STORE, MINE)


@pytest.mark.parametrize("name", ["rdkafka", "", f"cev-{STORE}", f"cev-{STORE}-{MINE} ", f"{STORE}-{MINE}"])
def test_a_member_of_an_older_version_or_another_program_says_nothing(name: str) -> None:
    assert store_users([member(name)]) == []


def test_members_of_one_store_are_at_home() -> None:
    known = {MINE: True, FELLOW: True}
    check_store(users((STORE, MINE), (STORE, FELLOW)), known, store_id=STORE, name="s")
    assert without_process(users((STORE, MINE), (STORE, FELLOW)), known) == []


def test_a_member_whose_token_the_store_does_not_have_uses_a_copy() -> None:
    with pytest.raises(
        ForeignStore, match=rf"{STRANGER} at /10.0.0.7 of this group uses a copy of the store s"
    ):
        check_store(users((STORE, MINE), (STORE, STRANGER)), {MINE: True}, store_id=STORE, name="s")


def test_a_member_with_another_stores_id_is_refused_even_if_its_token_is_known() -> None:
    with pytest.raises(ForeignStore, match=f"uses the store {OTHER_STORE}, and this one is {STORE}"):
        check_store(users((OTHER_STORE, FELLOW)), {FELLOW: True}, store_id=STORE, name="s")


def test_a_member_of_the_past_was_killed_or_uses_a_copy() -> None:
    known = {MINE: True, FELLOW: False}
    check_store(users((STORE, MINE), (STORE, FELLOW)), known, store_id=STORE, name="s")
    (user,) = without_process(users((STORE, MINE), (STORE, FELLOW)), known)
    assert user.token == FELLOW
