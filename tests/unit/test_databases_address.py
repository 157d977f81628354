"""Names of stores: files and schemas, and nothing that tells a password."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from databases.address import StoreAddress, postgres

URL = "postgresql://shop:p%40ss%2Fword@db.example:5433/orders?sslmode=require&sslpassword=k3y"


def test_without_a_database_a_store_is_a_file_under_the_data_directory() -> None:
    name = StoreAddress.at("warehouse", data_dir=Path("/data"))
    assert name.path == Path("/data/stores/warehouse.sqlite3")
    assert name.url == "sqlite:////data/stores/warehouse.sqlite3"
    assert str(name) == "/data/stores/warehouse.sqlite3"


def test_in_a_database_it_is_a_schema_that_is_named_after_the_group() -> None:
    name = StoreAddress.at("late-mails", data_dir=Path("/data"), database_url=URL)
    assert name.path is None
    assert name.schema == "cev_late_mails"
    assert str(name) == "postgresql://shop@db.example:5433/orders schema cev_late_mails"
    assert name.parameters == {"sslmode", "sslpassword"}


@given(st.text(min_size=1, max_size=300))
def test_a_schema_is_never_longer_than_postgresql_takes(group: str) -> None:
    assert len(StoreAddress(URL, group.encode("utf-8", "replace").decode()).schema.encode()) <= 63


def test_two_long_groups_have_two_schemas() -> None:
    assert StoreAddress(URL, "a" * 80).schema != StoreAddress(URL, "a" * 81).schema


@pytest.mark.parametrize(
    "given",
    [
        "postgresql://h/d",
        "postgres://h/d",
        "postgresql+psycopg://h/d",
        "POSTGRESQL://h/d",
        " postgresql://h/d\n",
    ],
)
def test_every_way_to_write_the_scheme_is_one_address(given: str) -> None:
    assert postgres(given) == "postgresql://h/d"


@pytest.mark.parametrize(
    "given",
    ["postgresql:///d?host=/run/postgresql", "postgresql://a:1,b:2/d?target_session_attrs=read-write"],
)
def test_what_libpq_takes_besides_is_taken(given: str) -> None:
    assert postgres(given) == given


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("mysql://u:s3cret@h/d", "no PostgreSQL address"),
        ("sqlite:///s3cret", "no PostgreSQL address"),
        ("s3cret", "no PostgreSQL address"),
        ("postgresql+asyncpg://u:s3cret@h/d", "no PostgreSQL address"),
        ("postgresql://u:s3@cret@h/d", "must be escaped"),
        ("postgresql://u:s3/cret@h/d", "must be escaped"),
        ("postgresql://u:s3#cret@h/d", "must be escaped"),
        ("postgresql://u:s3 cret@h/d", "control character"),
        ("postgresql://u:s3\ncret@h/d", "control character"),
        ("postgresql://u:s3cret@h", "names no database"),
        ("postgresql://u:s3cret@h:notaport/d", "a port that is no number"),
        ("postgresql://u:s3cret@h:70000/d", "a port that is no number"),
        ("postgresql://u:s3cret@h/", "names no database"),
        ("postgresql://[u:s3cret@h/d", "cannot be read"),
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(given: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as told:
        postgres(given)
    assert "s3" not in str(told.value)
    assert "cret" not in str(told.value)


def test_no_way_to_print_a_name_shows_the_password() -> None:
    name = StoreAddress.at("sales", data_dir=Path("/data"), database_url=URL)
    for shown in (str(name), repr(name), f"{name}", f"{(name,)}"):
        assert "word" not in shown
        assert "k3y" not in shown


@pytest.mark.parametrize("secret", ["p%40ss%2Fword", "p@ss/word", "k3y"])
def test_what_a_database_says_is_one_line_without_the_password(secret: str) -> None:
    name = StoreAddress(URL, "sales")
    assert name.masked(f"FATAL:  no\n\tHINT: {secret}!") == "FATAL: no HINT: ********!"
