"""What the log looks like in each format, which levels it has, and what a group's lines say."""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator

import pytest

from cli import logs
from cli.consumer_log import GroupLines
from cli.logs import LogFormat, to_stderr
from clients.log import LIBRARY_LOG, Log
from consumers.runtime.status import MemberStatus

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What was written since the last look; the loggers are as before afterwards."""
    loggers = [logging.getLogger(name) for name in (None, "command_event", "librdkafka")]
    before = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    yield lambda: capsys.readouterr().err
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


def dead_letter() -> None:
    Log(group="sales").warning("dead letter", partition=3, order_id="12004", why='a "quoted" = é', last=None)


def test_logfmt_has_time_level_and_event_first_and_quotes_what_would_end_a_value(
    stderr: Callable[[], str],
) -> None:
    to_stderr("info", "logfmt", library=False)
    dead_letter()
    assert re.fullmatch(
        rf'time={TIME} level=warning event="dead letter" group=sales partition=3 order_id=12004 '
        r'why="a \\"quoted\\" = é" last=null\n',
        stderr(),
    )


def test_json_has_a_document_a_line_with_numbers_as_numbers_and_order_ids_as_text(
    stderr: Callable[[], str],
) -> None:
    to_stderr("info", "json", library=False)
    dead_letter()
    document = json.loads(stderr())
    assert re.fullmatch(TIME, document.pop("time"))
    assert document == {
        "level": "warning",
        "event": "dead letter",
        "group": "sales",
        "partition": 3,
        "order_id": "12004",
        "why": 'a "quoted" = é',
        "last": None,
    }


def test_the_console_has_the_time_of_day_the_level_and_the_event_and_colours_on_a_terminal_only(
    stderr: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    to_stderr("info", "console", library=False)
    dead_letter()
    line = stderr()
    assert re.match(r"\d\d:\d\d:\d\d warning dead letter group=sales partition=3 ", line)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    dead_letter()
    assert re.sub(r"\x1b\[\d*m", "", colored := stderr())[8:] == line[8:] != colored[8:]


@pytest.mark.parametrize("form", ["console", "json", "logfmt"])
def test_one_of_several_processes_says_on_every_line_which_it_is(
    stderr: Callable[[], str], form: LogFormat
) -> None:
    to_stderr("info", form, library=True, process=2)
    assert logs.is_for_programs(), "the last line of a process stands among lines of the others"
    dead_letter()
    LIBRARY_LOG.error("no connection")
    lines = stderr().splitlines()
    assert len(lines) == 2
    assert all(re.search(r'\bprocess(": |=)2\b', line) for line in lines), lines


@pytest.mark.parametrize("form", ["console", "json", "logfmt"])
def test_no_field_can_forge_a_line_or_move_the_cursor(stderr: Callable[[], str], form: LogFormat) -> None:
    to_stderr("info", form, library=False)
    Log().info("waiting", why="\x1b[2J\nlevel=error \u202e")
    written = stderr()
    assert written.count("\n") == 1
    assert re.search(r"\x1b\[2J|\u202e", written) is None


def test_a_level_hides_what_is_below_it(stderr: Callable[[], str]) -> None:
    to_stderr("warning", "logfmt", library=False)
    Log().info("joined")
    Log().warning("waiting")
    assert [line.split("event=")[1] for line in stderr().splitlines()] == ["waiting"]


def test_librdkafkas_lines_come_in_the_same_format_and_only_for_who_asked(stderr: Callable[[], str]) -> None:
    to_stderr("info", "json", library=False)
    LIBRARY_LOG.critical("FATAL [rdkafka#consumer-1] it gave up")
    assert stderr() == ""
    to_stderr("error", "json", library=True)
    LIBRARY_LOG.debug("BROKER [rdkafka#consumer-1] added")
    document = json.loads(stderr())
    assert (document["event"], document["message"]) == ("librdkafka", "BROKER [rdkafka#consumer-1] added")


def test_other_libraries_are_heard_from_warning_on(stderr: Callable[[], str]) -> None:
    to_stderr("debug", "logfmt", library=False)
    logging.getLogger("httpx").info("HTTP Request: GET http://user:secret@registry")
    logging.getLogger("alembic").warning("odd")
    [line] = stderr().splitlines()
    assert "event=alembic message=odd" in line


@pytest.mark.usefixtures("stderr")
def test_programs_read_json_and_logfmt_and_people_the_console() -> None:
    for form in ("console", "json", "logfmt"):
        to_stderr("info", form, library=False)
        assert logs.is_for_programs() == (form != "console")


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO, "command_event")

    def new() -> list[str]:
        lines = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return lines

    return new


def test_a_group_is_logged_when_it_joins_and_then_as_often_as_its_counts_change_at_most_every_interval(
    logged: Callable[[], list[str]],
) -> None:
    now, status = 0.0, MemberStatus("sales")
    lines = GroupLines([status], every_s=5, clock=lambda: now)
    lines()
    assert logged() == []
    status.assigned({("orders", 0): 7, ("orders", 1): 0}, first=0)
    status.polled(joined=True, owned=2, records=0, at_end=False)
    lines()
    lines()
    assert logged() == ['joined group=sales partitions=2 start="where it left off" offset_sum=7']
    now = 5.0
    lines()
    assert logged() == [], "it has done nothing yet"
    status.batch_done(effects=3, dead=1, duplicates=0)
    lines()
    assert logged() == [], "its line was due a moment ago"
    now = 10.0
    lines()
    assert logged() == ["running group=sales effects=3 duplicates=0 dead_letters=1 at_end=false"]
    now = 15.0
    lines()
    assert logged() == [], "nothing has changed"
    lines.log_ends()
    assert logged() == ["ended group=sales effects=3 duplicates=0 dead_letters=1"]
