"""Every record of the corpus ends as it says, in every group that reads it, without a broker."""

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from consumers.channels.json_lines import JsonLinesText
from consumers.channels.maildir import Maildir
from consumers.runtime.dead_letters import dead_letter
from consumers.runtime.plan import DeadRecord
from schemas.codec import Codec
from schemas.dead_letters import parse
from schemas.errors import NoRegistry, Position
from schemas.topics import DISPATCH_PRODUCTS, ORDERS
from tests.malformed.bench import GROUPS, Bench
from tests.malformed.case import NORMAL, Case, dead
from tests.malformed.corpus import corpus, told
from tests.support.consumers.records import NOW
from tests.support.kafka.wire import FakeRegistry

if TYPE_CHECKING:
    from consumers.runtime.delivery.channel import Channel

CASES = corpus(NOW)
SLOWEST_S = 5.0


def where(number: int) -> Position:
    return Position(CASES[number].topic, 0, number)


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> tuple[FakeRegistry, list[Bench]]:
    registry = FakeRegistry()
    codec = Codec(registry)
    folder = tmp_path_factory.mktemp("outside")
    channels: dict[str, Channel] = {
        "email": Maildir(folder / "maildir", "shop@example.org"),
        "text": JsonLinesText(folder / "texts.jsonl"),
    }
    return registry, [Bench(group, codec, channels) for group in GROUPS]


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_a_record_ends_as_the_corpus_says(number: int, benches: tuple[FakeRegistry, list[Bench]]) -> None:
    case, (registry, groups) = CASES[number], benches
    value = case.value(None if case.schema is None else registry.add(case.schema))
    begun = time.process_time()
    readers = {group: bench for group, bench in zip(GROUPS, groups, strict=True) if bench.reads(case.topic)}
    ends = {group: bench.end(case, value, where(number)) for group, bench in readers.items()}
    assert ends == dict(case.ends)
    assert time.process_time() - begun < SLOWEST_S


def test_a_dead_letter_is_the_record_and_its_own_origin_whatever_its_headers_said(
    benches: tuple[FakeRegistry, list[Bench]],
) -> None:
    put_aside = [
        (group, *each) for group, bench in zip(GROUPS, benches[1], strict=True) for each in bench.dead
    ]
    for group, record, error in put_aside:
        out = dead_letter(DeadRecord(record, error), group)
        assert (out.key, out.value) == (record.key, record.value)
        assert out.headers[: len(record.headers or ())] == list(record.headers or ())
        said = parse(out.headers)
        assert (said.origin, said.group, said.attempts) == (record.position, group, 1)
        assert said.error == f"schemas.errors.{type(error).__name__}"
        assert said.message is not None
        assert said.message.isprintable()
        assert len(said.message) < 5_000
    assert len(put_aside) >= 60


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.schema is not None], ids=lambda case: case.name
)
def test_without_a_registry_a_schema_id_is_one_bad_record(case: Case) -> None:
    bench = Bench("warehouse", Codec(), {})
    assert bench.end(case, case.value(7), Position(case.topic, 0, 1)) == dead(NoRegistry)


def test_names_and_orders_of_the_corpus_are_told_apart() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 60
    assert {case.topic for case in CASES} == {DISPATCH_PRODUCTS, ORDERS}
    for case in CASES:
        assert set(case.ends) == set(NORMAL[case.topic]), case.name


def test_the_corpus_prints_itself_with_the_end_of_each_record() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.malformed.corpus"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    lines = run.stdout.splitlines()
    for case, line in zip(CASES, lines, strict=False):
        assert line.startswith(case.name)
        assert line.endswith(told(case))
    assert lines[-1].startswith(f"{len(CASES)} records")
    assert all(line.isprintable() for line in lines)
