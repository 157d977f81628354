"""The operator's commands as typed: exit codes, JSON fields of design §9, hostile text shown safely."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

from cli.main import app
from clients.config import Cluster
from consumers.registry import all_topics
from operations.topics import provision
from schemas.framing import encode_key
from tests.support.kafka.broker import BrokerFixture, world

Run = Callable[..., Result]

LETTER = "sales.orders.dlq"
HEADERS: list[tuple[str, str | bytes | None]] = [
    ("kafka_dlt-exception-fqcn", b"x.Hostile[/red]"),
    ("kafka_dlt-exception-message", b"[bold]\x1b[2J \xe2\x80\xae"),
    ("evil\x1b]0;title\x07", b"[/]"),
]


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerFixture]:
    """A broker of our own: what is counted here must not be other tests' records."""
    with world() as started:
        cluster = Cluster(bootstrap=started.bootstrap)
        provision.create(cluster, all_topics())
        producer = Producer(cluster.producer())
        producer.produce(LETTER, b"\x1b[31m", encode_key(12), headers=HEADERS, partition=0)
        assert producer.flush(20) == 0
        yield started


@pytest.fixture
def run(broker: BrokerFixture, tmp_path: Path) -> Run:
    def typed(*words: str) -> Result:
        env = {"CEV_BOOTSTRAP_SERVERS": broker.bootstrap, "CEV_DATA_DIR": str(tmp_path)}
        return CliRunner().invoke(app, list(words), env=env)

    return typed


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code in (0, 1), result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_topics_create_says_that_everything_was_there(run: Run) -> None:
    assert lines(run("topics", "create", "--json")) == [
        {"created": [], "changed": [], "differs": [], "schemas": []}
    ]


def test_topics_list_has_a_line_per_topic(run: Run) -> None:
    found = lines(run("topics", "list", "--json"))
    assert [each["name"] for each in found] == [topic.name for topic in all_topics()]
    assert all(each.keys() >= {"name", "kind", "owner", "partitions", "records_max"} for each in found)


def test_a_piped_table_never_breaks_a_line(run: Run) -> None:
    result = run("topics", "list")
    assert re.search(r"^warehouse\.dispatch_products\.retry +retry +warehouse ", result.stdout, re.MULTILINE)


def test_topics_describe_answers_an_unknown_name_with_near_ones(run: Run) -> None:
    result = run("topics", "describe", "order")
    assert result.exit_code == 2
    assert "did you mean orders" in result.stderr
    assert run("topics", "describe", "orders").exit_code == 0


def test_status_has_the_fields_of_the_design_and_check_ends_with_1_at_an_alarm(run: Run) -> None:
    result = run("status", "--check", "--json")
    [document] = lines(result)
    assert result.exit_code == 1
    assert document.keys() >= {"bootstrap", "registry", "mode", "epoch", "topics", "alarms"}
    assert (document["mode"], document["epoch"]) == ("command", 0)
    assert {each["name"] for each in document["alarms"]} == {"dead-letters"}
    assert document["alarms"][0].keys() >= {"name", "subject", "since", "text"}
    assert document["topics"][0].keys() >= {"name", "kind", "owner", "records_max", "groups"}
    [waiting] = document["topics"][0]["groups"]
    assert waiting.keys() >= {"group", "lag", "oldest_age_s"}
    shown = run("status")
    assert (shown.exit_code, shown.stdout.split()[:2]) == (0, ["alarm", "dead-letters"])


def test_dead_letters_are_listed_with_the_fields_of_the_design(run: Run) -> None:
    [found] = lines(run("dlq", "list", "--json"))
    assert found.keys() >= {
        *("group", "topic", "partition", "offset", "original_topic", "original_partition"),
        *("original_offset", "order_id", "error", "message", "attempts", "at"),
    }
    assert (found["group"], found["order_id"], found["original_topic"]) == ("sales", "12", None)


def test_hostile_text_is_shown_escaped_and_never_as_markup(run: Run) -> None:
    for result in (run("dlq", "list"), run("dlq", "show", f"{LETTER}:0:0")):
        assert result.exit_code == 0
        assert "\x1b" not in result.stdout
        assert "\u202e" not in result.stdout
        assert r"[bold]\x1b[2J \u202e" in result.stdout
        assert "Hostile[/red]" in result.stdout


def test_dead_letters_are_counted_by_group_and_error_and_listed_up_to_a_limit(run: Run) -> None:
    counted = {
        "group": "sales",
        "error": "Hostile[/red]",
        "dead_letters": 1,
        "orders": 1,
        "can_succeed": None,
    }
    assert lines(run("dlq", "list", "--summary", "--json")) == [counted]
    assert lines(run("dlq", "redrive", "--dry-run", "--json"))[0]["breakdown"] == [counted]
    assert "Hostile[/red]" in run("dlq", "redrive", "--dry-run").stdout
    listed = run("dlq", "list", "--limit", "1")
    assert (len(listed.stdout.splitlines()), listed.stderr) == (1, "1 dead letter of 1 order\n")
    assert run("dlq", "list", "--limit", "0").exit_code == 2


def test_a_shown_dead_letter_has_its_bytes_and_headers(run: Run) -> None:
    [found] = lines(run("dlq", "show", f"{LETTER}:0:0", "--json"))
    assert (found["key"], found["value"], found["decoded"]) == ("000000000000000c", "1b5b33316d", None)
    assert found["headers"][0] == {"name": "kafka_dlt-exception-fqcn", "value": "x.Hostile[/red]"}
    assert "neither 00" in found["undecodable"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("dlq", "list", "--since", "yesterday"), 2),
        (("dlq", "list", "--group", "nobody"), 2),
        (("dlq", "show", f"{LETTER}:0:5"), 1),
        (("dlq", "show", "elsewhere:0:0"), 2),
        (("dlq", "redrive", "--group", "nobody"), 2),
        (("dlq", "redrive", "orders:0"), 2),
        (("dlq", "redrive", f"{LETTER}:0:5"), 1),
        (("dlq", "discard", "--group", "sales"), 2),
        (("dlq", "discard", "--group", "sales", "--why", ""), 2),
        (("effects", "fraud"), 2),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(run: Run, words: tuple[str, ...], code: int) -> None:
    result = run(*words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("cev: ")
    assert "Traceback" not in result.stderr


def test_what_is_decided_and_cleaned_has_the_fields_of_the_design(run: Run) -> None:
    """Last of those that need the letter undecided."""
    [rehearsed] = lines(run("dlq", "redrive", "--dry-run", "--json"))
    assert rehearsed.keys() >= {"selected", "done", "skipped", "dry_run"}
    assert (rehearsed["selected"], rehearsed["done"], rehearsed["dry_run"]) == (1, 0, True)
    [done] = lines(run("dlq", "discard", "--order-id", "12", "--why", "[bold]\x1b[2J", "--json"))
    assert (done["selected"], done["done"], done["skipped"], done["dry_run"]) == (1, 1, 0, False)
    assert run("dlq", "list").stdout == ""
    told = run("dlq", "list", "--all").stdout
    assert r"[bold]\x1b[2J" in told
    assert "discarded by " in told
    assert "1 skipped: decided before" in run("dlq", "redrive").stdout
    [cleaned] = lines(run("topics", "clean", "--dry-run", "--json"))
    assert cleaned.keys() >= {"deleted", "dry_run", "before", "topics"}
    assert {each["kind"] for each in cleaned["topics"]} == {"command", "timer", "dead-letter", "retry"}
    assert run("status", "--check").exit_code == 0


def test_effects_of_a_group_that_never_ran_are_empty_and_say_why(run: Run) -> None:
    result = run("effects", "sales", "--json")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "never ran" in result.stderr


def test_verify_has_the_fields_of_the_design(run: Run) -> None:
    [document] = lines(run("verify", "--json"))
    assert document.keys() >= {
        *(
            "accepted",
            "commands",
            "facts",
            "dispatched",
            "rejected",
            "expired",
            "dead",
            "discarded",
            "notified",
        ),
        *("counted", "aged", "lost", "duplicated", "phantom", "different", "unseen", "ok"),
    }
    assert document["ok"] is True
    assert "ok  no order lost" in run("verify").stdout


def test_mode_set_with_repair_names_every_record_that_it_passes_over(run: Run, broker: BrokerFixture) -> None:
    producer = Producer(Cluster(bootstrap=broker.bootstrap).producer())
    framed = b"\x00\x00\x00\x00\x07[red]"
    for key, value in ((encode_key(1), framed), (None, b"\x1b[31m"), (encode_key(2**63 - 1), framed)):
        producer.produce("order_mode", value, key)
    assert producer.flush(20) == 0

    for words in (("show",), ("set", "event")):
        refused = run("mode", *words)
        assert (refused.exit_code, refused.stdout) == (4, "")
        assert "order_mode:0:0: schema id 7, and no registry" in refused.stderr
        assert "cev mode set MODE --repair" in refused.stderr
    [document] = lines(run("status", "--json"))
    assert (document["mode"], document["epoch"]) == (None, None)
    assert {"mode-unreadable", "mode-suspect"} <= {alarm["name"] for alarm in document["alarms"]}

    result = run("mode", "set", "command", "--repair", "--json")
    [repaired] = lines(result)
    assert (repaired["mode"], repaired["epoch"], repaired["changed"]) == ("command", 2, True)
    passed_over = repaired["passed_over"]
    assert [record["offset"] for record in passed_over] == [0, 1, 2]
    for record in passed_over:
        assert f"passed over order_mode:0:{record['offset']}: {record['reason']}" in result.stderr
    assert lines(run("mode", "show", "--json"))[0]["epoch"] == 2
    assert [change["epoch"] for change in lines(run("mode", "history", "--json"))] == [2]
    [document] = lines(run("status", "--json"))
    assert not {alarm["name"] for alarm in document["alarms"]} & {"mode-unreadable", "mode-suspect"}
