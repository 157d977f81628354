"""Names that nobody knows, at the command line: what is answered before any broker is asked."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from clients.admin import Admin
from consumers.registry import REACTIONS, all_topics
from operations.dead_letters.listing import Filter, topics_and_watermarks
from schemas.errors import UsageError

FIRST = min(reaction.name for reaction in REACTIONS)


def ended(tmp_path: Path, *words: str) -> tuple[int, str]:
    environment = {"CEV_DATA_DIR": str(tmp_path), "CEV_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    result = CliRunner().invoke(app, list(words), prog_name="cev", env=environment)
    return result.exit_code, " ".join(result.stderr.split())


def test_a_directory_as_a_file_of_orders_is_named_as_one(tmp_path: Path) -> None:
    folder = tmp_path / "orders.csv"
    folder.mkdir()
    code, told = ended(tmp_path, "order", "place", "--from", str(folder), "--dry-run")
    assert (code, told) == (2, f"cev: {folder} is a directory: name a file, or - for standard input")


def test_a_file_of_orders_that_is_missing_is_named_whatever_its_ending(tmp_path: Path) -> None:
    code, told = ended(tmp_path, "order", "place", "--from", str(tmp_path / "orders"))
    assert (code, told) == (2, f"cev: {tmp_path / 'orders'}: No such file or directory")


def test_an_unknown_host_ends_a_command_before_a_client_is_made(tmp_path: Path) -> None:
    code, told = ended(tmp_path, "topics", "list", "--bootstrap-servers", "kafka.invalid:9092")
    assert code == 3
    assert told.startswith("cev: no host is known by the name kafka.invalid: ")


@pytest.mark.parametrize(
    ("wanted", "fault"),
    [
        (
            Filter(group="wharehouse"),
            "there is no group 'wharehouse' with dead letters; did you mean warehouse?",
        ),
        (
            Filter(group="x"),
            f"there is no group 'x' with dead letters; there are {FIRST}",
        ),
        (Filter(topic="ordres"), "there are no dead letters of a topic 'ordres'; did you mean orders?"),
        (Filter(group="sales", topic="dispatch_products"), "no dead-letter topic is of that group and topic"),
    ],
)
def test_dead_letters_of_a_name_that_nobody_knows_are_answered_with_the_one_that_was_meant(
    wanted: Filter, fault: str
) -> None:
    with pytest.raises(UsageError) as refused:
        topics_and_watermarks(Admin.__new__(Admin), all_topics(), wanted)
    assert str(refused.value).startswith(fault)
