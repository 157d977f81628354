"""What is shown of the log of a process that did not get ready."""

from pathlib import Path

from broker.process import Process
from broker.ready import Watched, excerpt, length_of


def watched(folder: Path, *, since: int = 0) -> Watched:
    return Watched("broker-1", Process(1, ""), folder / "broker-1.log", folder / "broker-1.out", since)


def test_only_what_this_start_wrote_is_shown_and_no_stack_frames(tmp_path: Path) -> None:
    log = tmp_path / "broker-1.log"
    log.write_text("of yesterday\n")
    since = length_of(log)
    with log.open("a") as stream:
        stream.write(
            "INFO starting\nERROR failed\njava.lang.Oops: why\n\tat a.B.c(B.java:1)\n\t... 3 more\n\n"
        )
    assert excerpt(watched(tmp_path, since=since)) == "  INFO starting\n  ERROR failed\n  java.lang.Oops: why"


def test_a_log_that_rolled_over_since_is_shown_from_its_start(tmp_path: Path) -> None:
    (tmp_path / "broker-1.log").write_text("fresh\n")
    assert excerpt(watched(tmp_path, since=10_000_000)) == "  fresh"


def test_a_long_log_is_cut_to_its_last_lines(tmp_path: Path) -> None:
    (tmp_path / "broker-1.log").write_text("".join(f"line {number} {'x' * 1000}\n" for number in range(1000)))
    lines = excerpt(watched(tmp_path)).splitlines()
    assert [line.split()[1] for line in lines] == [str(number) for number in range(985, 1000)]
    assert max(map(len, lines)) <= 302


def test_without_a_log_the_words_of_the_java_machine_are_shown(tmp_path: Path) -> None:
    assert excerpt(watched(tmp_path)) == "  (it wrote nothing)"
    (tmp_path / "broker-1.out").write_text("Unrecognized VM option\n")
    assert excerpt(watched(tmp_path)) == "  Unrecognized VM option"
