"""What the first and the second signal do to long work, and what its exit code is."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
import typer

from cli.signals import Interruption


def signalled(number: int) -> None:
    os.kill(os.getpid(), number)


def endless(number: int, after: int) -> Iterator[int]:
    """Counts, and gets a signal when it has counted so far."""
    count = 0
    while True:
        count += 1
        yield count
        if count == after:
            signalled(number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_ends_the_work_before_the_next_item_and_is_the_exit_code(
    number: int, code: int
) -> None:
    done: list[int] = []
    with Interruption() as interruption:
        done += interruption.until_asked(endless(number, after=3))
    assert (done, interruption.asked()) == ([1, 2, 3], True)
    with pytest.raises(typer.Exit) as end:
        interruption.end()
    assert end.value.exit_code == code


def test_a_signal_between_two_items_lets_the_one_in_hand_be_finished() -> None:
    done = []
    with Interruption() as interruption:
        for item in interruption.until_asked(iter("abc")):
            signalled(signal.SIGTERM)
            done.append(item)
    assert done == ["a"]


def test_a_signal_ends_waiting_for_the_next_item() -> None:
    def silent() -> Iterator[int]:
        yield 1
        time.sleep(60)

    began = time.monotonic()
    timer = threading.Timer(0.2, signalled, [signal.SIGINT])
    with Interruption() as interruption:
        timer.start()
        assert list(interruption.until_asked(silent())) == [1]
    assert time.monotonic() - began < 30


def test_the_second_signal_leaves_the_block_at_once() -> None:
    reached = []
    with Interruption() as interruption:
        signalled(signal.SIGTERM)
        reached.append("after the first")
        signalled(signal.SIGINT)
        reached.append("after the second")
    assert reached == ["after the first"]
    with pytest.raises(typer.Exit) as end:
        interruption.end()
    assert end.value.exit_code == 143


def test_without_a_signal_all_is_done_and_signals_mean_what_they_meant() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Interruption() as interruption:
        assert list(interruption.until_asked("abc")) == ["a", "b", "c"]
    interruption.end()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_an_error_of_the_work_itself_is_not_hidden() -> None:
    with pytest.raises(ValueError, match="bad row"), Interruption():
        raise ValueError("bad row")
