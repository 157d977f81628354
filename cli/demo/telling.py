"""How the story looks: chapters, sentences, the commands that were run and what they printed.

On a terminal a scene moves; in a file each scene is one line, so that the story reads from top to bottom.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from cli.output import safe


class Scene(Protocol):
    """Something that moves while the story waits."""

    def __call__(self, figures: Mapping[str, object], note: str = "") -> None:
        """Show how things stand."""


class Teller:
    """Prints the story.

    Args:
        console: where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._chapter = 0

    def title(self, text: str, subtitle: str) -> None:
        """The story's name."""
        self._console.print()
        self._console.print(Text(text, style="bold"))
        self._console.print(Text(subtitle, style="dim"))

    def chapter(self, text: str) -> None:
        """A new chapter."""
        self._chapter += 1
        self._console.print()
        self._console.print(Text.assemble((f"{self._chapter}  ", "cyan"), (text, "bold")))
        self._console.print()

    def say(self, text: str) -> None:
        """A sentence or two."""
        self._console.print(Text(text), soft_wrap=True)

    def ran(self, command: str, output: str = "") -> None:
        """A command as a reader can type it, and what it printed."""
        self._console.print(Text(f"   $ {safe(command)}", style="cyan"), soft_wrap=True)
        for line in output.rstrip().splitlines():
            self._console.print(Text(f"     {safe(line)}", style="dim"), soft_wrap=True)

    def held(self, promise: str, *, kept: bool) -> None:
        """A promise, and whether it was kept."""
        mark = ("kept  ", "green") if kept else ("BROKEN", "bold red")
        self._console.print(Text.assemble("   ", mark, "  ", safe(promise)), soft_wrap=True)

    @contextmanager
    def scene(self) -> Iterator[Scene]:
        """A scene that moves on a terminal; in a file only its notes and its end are told."""
        moving = self._console.is_terminal
        last = Text()
        with (
            Live(last, console=self._console, refresh_per_second=8, transient=False)
            if moving
            else _still() as live
        ):

            def show(figures: Mapping[str, object], note: str = "") -> None:
                nonlocal last
                if note:
                    self._console.print(Text(f"   {safe(note)}", style="yellow"), soft_wrap=True)
                last = _line(figures)
                if isinstance(live, Live):
                    live.update(last)

            yield show
        if not moving:
            self._console.print(last, soft_wrap=True)


@contextmanager
def _still() -> Iterator[None]:
    yield None


def _line(figures: Mapping[str, object]) -> Text:
    parts: list[str | tuple[str, str]] = ["   "]
    for name, value in figures.items():
        parts += [(f"{name} ", "dim"), (str(value), "bold"), "   "]
    return Text.assemble(*parts)
