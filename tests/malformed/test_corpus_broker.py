"""The corpus between good records on a real broker: each record ends as it says, and all groups go on."""

import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from consumers.registry import named
from schemas.errors import ConflictingOrder, UnknownSchemaId
from schemas.topics import DISPATCH_PRODUCTS
from tests.malformed.bench import GROUPS
from tests.malformed.case import DISPATCHED, NORMAL, SHADOW, dead
from tests.malformed.conftest import Played
from tests.malformed.stage import FIRST_GOOD, documents, memory
from tests.support.kafka.wire import key_of

pytestmark = pytest.mark.timeout(280)

HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
ROUNDS, STRIDE = 50, 10


@pytest.mark.parametrize("group", GROUPS)
def test_every_record_ends_as_the_corpus_says(played: Played, group: str) -> None:
    found = played.stage.ends(group)
    wrong = {
        case.name: (found[where], case.ends[group])
        for case, where in zip(played.cases, played.positions, strict=True)
        if group in case.ends and found[where] != case.ends[group]
    }
    assert wrong == {}


@pytest.mark.parametrize("group", GROUPS)
def test_every_good_record_between_them_has_its_effect_once(played: Played, group: str) -> None:
    query = "SELECT order_id, outcome FROM effects WHERE order_id BETWEEN ? AND ?"
    found = played.stage.shop.rows(group, query, FIRST_GOOD, FIRST_GOOD + len(played.cases))
    assert sorted(found) == [
        (FIRST_GOOD + number, NORMAL[case.topic][group])
        for number, case in enumerate(played.cases)
        if case.topic in named(group).reads
    ]


def test_every_order_has_one_result(played: Played) -> None:
    results = Counter(order_id for order_id, _ in played.stage.results())
    assert set(results.values()) == {1}
    assert {FIRST_GOOD + number for number in range(len(played.cases))} <= set(results)
    terminal = {
        case.key for case in played.cases if case.ends["warehouse"].startswith((DISPATCHED, "rej", "exp"))
    }
    assert len(results) == len(played.cases) + len(terminal)


@pytest.mark.parametrize("group", GROUPS)
def test_a_dead_letter_is_the_record_as_it_was(played: Played, group: str) -> None:
    letters = played.stage.dead(group)
    count = 0
    for case, where in zip(played.cases, played.positions, strict=True):
        if not case.ends.get(group, "").startswith("dead letter"):
            continue
        count += 1
        letter = letters[where]
        assert letter.key == case.key, case.name
        assert letter.value == played.stage.value(case), case.name
        assert letter.headers[: len(case.headers)] == list(case.headers), case.name
        assert letter.header("kafka_dlt-original-consumer-group") == group.encode()
    assert len(letters) == count


SHOWN = (
    "a key of 1000 bytes",
    "a broken fact under headers: escapes and NUL in every value",
    "the same order, told differently",
)
"""Records whose dead letters are shown one by one."""


def printing(played: Played) -> list[tuple[str, ...]]:
    """Commands that print what the corpus left behind."""
    letters = played.stage.dead("warehouse")
    names = {
        case.name: letters.get(where) for case, where in zip(played.cases, played.positions, strict=True)
    }
    shown = [seen for name in SHOWN if (seen := names[name]) is not None]
    assert len(shown) == len(SHOWN)
    words = [
        ("dlq", "list"),
        ("status",),
        ("verify",),
        ("effects", "warehouse", "--all"),
        *(("effects", group) for group in GROUPS[1:]),
        *(("dlq", "show", f"{seen.topic}:{seen.partition}:{seen.offset}") for seen in shown),
    ]
    return [*words, *((*each, "--json") for each in words)]


def test_whatever_is_printed_moves_no_cursor_and_hides_nothing(played: Played) -> None:
    commands = printing(played)
    with ThreadPoolExecutor(3) as runs:
        printed = dict(zip(commands, runs.map(lambda words: played.stage.ran(*words), commands), strict=True))
    for words, out in printed.items():
        assert out, words
        assert {char for char in out if unicodedata.category(char) in HIDDEN} <= {"\n"}, words
        if "--json" in words:
            assert all(documents(out)), words
    assert "\\x1b[2J" in printed["effects", "warehouse", "--all"]
    assert "\\u202e" in printed["effects", "warehouse", "--all"]


def test_the_reconciliation_finds_what_is_really_wrong_and_nothing_else(played: Played) -> None:
    [verdict] = documents(played.stage.ran("verify", "--wait", "0", "--json"))
    orders = {case.key: case for case in played.cases}

    def told(kind: str) -> list[str]:
        return [orders[key_of(int(order_id))].ends["warehouse"] for order_id in verdict[kind]]

    # A shadow whose command never came is an order that nobody dispatched.
    assert told("lost") == [SHADOW] * 3
    assert told("different") == [dead(ConflictingOrder)]
    assert verdict["duplicated"] == verdict["phantom"] == verdict["unseen"] == []


@pytest.mark.full
def test_the_corpus_over_and_over_takes_no_more_memory(played: Played) -> None:
    cases = [
        case
        for case in played.cases
        if case.topic == DISPATCH_PRODUCTS and case.ends["warehouse"] != dead(UnknownSchemaId)
    ]
    bytes_a_round = sum(len(case.body or b"") for case in cases)
    held = []
    for _ in range(ROUNDS // STRIDE):
        for _ in range(STRIDE):
            played.stage.write(cases, good=False)
        played.stage.until_read(played.started, "warehouse")
        held.append(memory(played.started))
    # Behind two strides to warm up, a process that kept what it read would hold all of the others.
    grown, kept = held[-1] - held[1], bytes_a_round * (ROUNDS - 2 * STRIDE)
    assert kept > 150_000_000
    assert grown < kept / 2, held


def test_the_group_goes_on_and_ends_in_order(played: Played) -> None:
    shop = played.stage.shop
    shop.command(5)
    shop.fact(6)
    shop.flush()
    played.stage.until_read(played.started, *GROUPS)
    assert {5, 6} <= set(shop.outcomes("warehouse"))
    assert played.started.end() == 0, played.started.said[-4_000:]
    told = played.started.said
    assert "Traceback" not in told
    assert {char for char in told if unicodedata.category(char) in HIDDEN} <= {"\n"}
