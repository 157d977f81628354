"""`cev up`, `cev down` and what every command has in common, as a user types it."""

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka.admin import AdminClient

from tests.support.program import CEV, Program

UNREACHABLE = "127.0.0.1:1"


class Here(NamedTuple):
    """A running world, and what `cev up --json` said of it."""

    cev: Program
    told: dict[str, Any]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    cev = Program(tmp_path_factory.mktemp("world") / "data")
    with cev.up() as told:
        cev.ok("mode", "set", "event")
        cev.ok("mode", "set", "command")
        yield Here(cev, told)


@pytest.fixture
def lonely(tmp_path: Path) -> Program:
    """The program where nothing was ever started."""
    return Program(tmp_path / "data")


# -- up and down -------------------------------------------------------------------------------------------


def test_up_says_where_its_broker_and_its_log_are(here: Here) -> None:
    assert set(here.told) >= {"bootstrap", "registry", "log", "data_dir", "brokers"}
    assert here.told["registry"] is None
    assert here.told["brokers"] == 1
    assert here.told["data_dir"] == str(here.cev.data_dir)
    assert "started" in Path(here.told["log"]).read_text("utf-8")
    host, _, port = here.told["bootstrap"].partition(":")
    with socket.create_connection((host, int(port)), timeout=5):
        pass


def test_up_again_says_the_same_and_starts_nothing(here: Here) -> None:
    size = Path(here.told["log"]).stat().st_size
    ended = here.cev.run("up", "--port", "0", "--json")
    assert json.loads(ended.stdout) == here.told
    assert ended.stderr == "it runs already: nothing was started\n"
    assert "starting" not in Path(here.told["log"]).read_text("utf-8")[size:]
    lines = here.cev.ok("up").splitlines()
    assert lines[0].split() == ["bootstrap", here.told["bootstrap"]]
    assert [line.split()[0] for line in lines] == ["bootstrap", "registry", "log", "data_dir", "brokers"]


def test_down_keeps_the_data_and_delete_data_removes_the_directory(tmp_path: Path) -> None:
    cev = Program(tmp_path / "data")
    with cev.up():
        cev.json("mode", "set", "event", "--why", "to be remembered")
        down = cev.run("down")
        assert (down.returncode, down.stdout) == (0, "")
        assert "stopped" in down.stderr
        assert "cev up" in cev.refused(3, "mode", "show")
        assert "nothing was running" in cev.run("down").stderr
        cev.ok("up", "--port", "0")
        assert cev.json("mode", "show")[0]["why"] == "to be remembered"
        cev.ok("down", "--delete-data", "--yes")
        assert not cev.data_dir.exists()


def test_deleting_data_off_a_terminal_needs_a_yes(here: Here) -> None:
    assert "--yes" in here.cev.refused(2, "down", "--delete-data")
    assert here.cev.json("up", "--port", "0") == [here.told]


def test_a_directory_of_somebody_else_is_neither_filled_nor_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    cev = Program(tmp_path)
    assert str(tmp_path) in cev.refused(1, "up", "--port", "0")
    assert str(tmp_path) in cev.refused(1, "down", "--delete-data", "--yes")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_port_in_use_is_named_in_one_line(lonely: Program) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = lonely.run("up", "--port", port)
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("cev: ")]
    assert f"port {port}" in line
    assert "--port 0" in line


# -- finding a cluster -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("order", "place", "--address", "1 Streetford Road"),
        ("order", "load", "--count", "1", "--rate", "0"),
        ("consume", "warehouse"),
        ("status",),
        ("topics", "list"),
        ("verify",),
        ("dlq", "list"),
        ("mode", "show"),
    ],
    ids=" ".join,
)
def test_without_a_broker_a_command_says_how_to_start_one(lonely: Program, words: tuple[str, ...]) -> None:
    said = lonely.refused(3, *words)
    assert "cev up" in said
    assert "--bootstrap-servers" in said
    assert not lonely.data_dir.exists(), "a command that found nothing has nothing to keep"


def test_a_broker_that_does_not_answer_is_named_and_nothing_else_is_asked(here: Here) -> None:
    assert UNREACHABLE in here.cev.refused(
        3, "order", "place", "--address", "x", "--bootstrap-servers", UNREACHABLE
    )


def test_the_flag_wins_over_the_environment_and_that_over_the_file(here: Here, tmp_path: Path) -> None:
    file = tmp_path / "cev.toml"
    file.write_text(f'bootstrap_servers = "{UNREACHABLE}"\n', "utf-8")
    cev = here.cev.beside(tmp_path / "elsewhere", CEV_CONFIG=str(file))
    sources = {row["name"]: row for row in cev.json("config", "show")}
    assert sources["bootstrap_servers"]["source"] == f"file {file}"
    address = here.told["bootstrap"]
    assert cev.beside(CEV_BOOTSTRAP_SERVERS=address).json("mode", "show")
    other = cev.beside(CEV_BOOTSTRAP_SERVERS=UNREACHABLE)
    assert other.json("mode", "show", "--bootstrap-servers", address)


def test_a_variable_that_nobody_knows_is_a_usage_error(lonely: Program) -> None:
    said = lonely.beside(CEV_COLOUR="blue", CEV_DRAIN_S="soon").refused(2, "config", "show")
    assert "CEV_COLOUR" in said
    assert "drain_s" in said


def test_a_missing_topic_says_what_creates_it(here: Here, tmp_path: Path) -> None:
    admin = AdminClient({"bootstrap.servers": here.told["bootstrap"]})
    admin.delete_topics(["orders"])["orders"].result(20)
    try:
        here.cev.ok("mode", "set", "event")
        for words in (
            ("order", "place", "--address", "x"),
            ("order", "load", "--count", "1", "--rate", "0"),
            ("verify",),
            ("consume", "warehouse"),
        ):
            ended = here.cev.beside(tmp_path / "data", CEV_BOOTSTRAP_SERVERS=here.told["bootstrap"]).run(
                *words
            )
            assert ended.returncode == 1, (words, ended)
            last = ended.stderr.splitlines()[-1]
            assert last.startswith("cev: "), (words, ended.stderr)
            assert "orders" in last
            assert "cev topics create" in last, words
    finally:
        here.cev.ok("mode", "set", "command")
        made = here.cev.json("topics", "create")[0]
    assert made["created"] == ["orders"]
    assert here.cev.json("topics", "create")[0]["created"] == []


# -- what every command has in common ----------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("order",), ("order", "place")], ids=str)
def test_the_version_is_told_everywhere(lonely: Program, words: tuple[str, ...]) -> None:
    assert lonely.ok(*words, "--version").split()[0] == "cev"


def test_what_is_no_command_or_option_is_a_usage_error(lonely: Program) -> None:
    for words in (("sell",), ("order", "buy"), ("status", "--loudly"), ("up", "--port", "x"), ("consume",)):
        ended = lonely.run(*words)
        assert (ended.returncode, ended.stdout) == (2, ""), words
        assert ended.stderr


@pytest.mark.parametrize(
    "words", [("topics", "list"), ("topics", "list", "--json"), ("config", "show")], ids=" ".join
)
def test_a_reader_that_leaves_early_causes_no_traceback(here: Here, words: tuple[str, ...]) -> None:
    with subprocess.Popen(
        [CEV, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=here.cev.environment
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.close()
        said = program.stderr.read()
        assert program.wait(30) in (0, 1, 141)
    assert said == b""


def test_an_interrupt_ends_a_command_with_130(here: Here) -> None:
    before = records(here)
    with here.cev.started("order", "place", "--address", "nobody listens", "--wait", "60") as running:
        # It is in the middle of its work as soon as its order is there.
        while records(here) == before:
            assert running.process.poll() is None, running.said
        assert running.end(signal.SIGINT, 20) == 130
        assert "Traceback" not in running.said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_load_that_is_stopped_says_what_it_placed_and_all_of_that_is_there(
    here: Here, number: signal.Signals, code: int
) -> None:
    before = records(here)
    with here.cev.started("order", "load", "--count", "100000", "--rate", "50", "--json") as running:
        while records(here) < before + 20:
            assert running.process.poll() is None, running.said
        assert running.end(number, 20) == code
        assert running.said == ""
        result = json.loads(running.printed)
    assert (result["placed"], result["failed"], result["stopped"]) == (records(here) - before, 0, True)


def test_rows_that_are_stopped_say_what_was_placed_also_while_the_pipe_is_silent(here: Here) -> None:
    before = records(here)
    program = subprocess.Popen(
        [CEV, "order", "place", "--from", "-"],
        env=here.cev.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stdin is not None
        for number in range(3):
            program.stdin.write(json.dumps({"address": f"{number} Silent Road"}) + "\n")
        program.stdin.flush()
        while records(here) < before + 3:
            assert program.poll() is None
        program.send_signal(signal.SIGTERM)
        output, errors = program.communicate(timeout=20)
    assert (program.returncode, output) == (143, "3 placed\n")
    assert errors == "stopped; the same file again places the rest, and nothing twice\n"


def records(here: Here) -> int:
    return int(here.cev.json("topics", "describe", "dispatch_products")[0]["records_max"])


# -- what --json prints (design §9) ------------------------------------------------------------------------

CHANGE = {"mode", "flow", "epoch", "changed_at", "changed_by", "why"}
TOPIC = {"name", "kind", "owner", "partitions", "records_max"}


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        (("mode", "show"), CHANGE),
        (("mode", "set", "command"), CHANGE),
        (("mode", "history"), CHANGE),
        (("topics", "list"), TOPIC),
        (("topics", "describe", "orders"), TOPIC),
        (("order", "place", "--address", "x"), {"order_id", "mode", "epoch", "correlation_id", "records"}),
        (("order", "load", "--count", "2", "--rate", "0"), {"placed", "failed", "seconds", "modes"}),
        (("status",), {"bootstrap", "registry", "mode", "flow", "epoch", "topics", "alarms"}),
        (
            ("verify",),
            {
                "accepted",
                "commands",
                "facts",
                "dispatched",
                "rejected",
                "expired",
                "dead",
                "notified",
                "counted",
            }
            | {"aged", "lost", "duplicated", "phantom", "different", "unseen", "ok"},
        ),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_json_has_the_fields_of_the_design(here: Here, words: tuple[str, ...], fields: set[str]) -> None:
    documents = here.cev.json(*words)
    assert documents
    for document in documents:
        assert set(document) >= fields


def test_status_tells_topics_with_groups_and_alarms(here: Here) -> None:
    (status,) = here.cev.json("status")
    for topic in status["topics"]:
        assert set(topic) >= {"name", "kind", "owner", "records_max", "groups"}
        for group in topic["groups"]:
            assert set(group) >= {"group", "lag", "oldest_age_s"}
    for alarm in status["alarms"]:
        assert set(alarm) >= {"name", "subject", "since", "text"}
    checked = here.cev.run("status", "--check")
    assert checked.returncode == (1 if status["alarms"] else 0)
