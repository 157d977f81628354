"""Progress: words on a terminal, nothing anywhere else."""

import io

import pytest
from rich.console import Console

from cli import progress as module
from cli.progress import how_far, progress


@pytest.mark.parametrize(
    ("count", "total", "seconds", "words"),
    [
        (1204, 5000, 3.0, "1,204 of 5,000  401/s"),
        (1204, None, 3.0, "1,204  401/s"),
        (0, 10, 0.0, "0 of 10  0/s"),
    ],
)
def test_the_words_are_the_count_the_total_where_it_is_known_and_the_rate(
    count: int, total: int | None, seconds: float, words: str
) -> None:
    assert how_far(count, total, seconds) == words


def shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    text = io.StringIO()
    monkeypatch.setattr(module, "log", Console(file=text, force_terminal=terminal, width=100))
    monkeypatch.setattr(module, "_REFRESH_S", 0.001)
    looks = iter(range(1_000_000))
    with progress("placing", 500, lambda: next(looks)):
        while terminal and "of 500" not in text.getvalue():
            pass
    return text.getvalue()


@pytest.mark.timeout(30)
def test_a_terminal_shows_what_is_done_and_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, terminal=True)
    assert "placing" in text
    assert "left" in text


def test_a_pipe_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, terminal=False) == ""
