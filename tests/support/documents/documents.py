"""Documents as tests read them: which commands they show, what those should print, and whether it came.

Promise: nothing here runs anything. A mismatch is one text that names file and line, the command, what was
expected and what came.
Not here: the shell that runs the commands (shell.py), and which documents there are (the tests).

    $ command           starts a command; a line that ends in a backslash goes on in the next
    a line              is expected, exactly, but for spaces at its end
    a … line            `…` in a line stands for anything
    …                   alone on a line stands for any number of lines, also none
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ANYTHING = "…"
_FENCE = re.compile(r"^```(\w*)\s*$")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_INLINE = re.compile(r"`([^`]+)`")
_MODULE = re.compile(r"[`\"]((?:\w+/)*\w+\.py)[`<\"]")
_PROMPT = "$ "
_OWN_PORT = re.compile(r"\bcev up\b(?!.*--port)")


class Block(NamedTuple):
    """A fenced block: its language, the document's line of its first line, and its lines."""

    language: str
    line: int
    lines: tuple[str, ...]


class Command(NamedTuple):
    """A command of a document, where it stands, and the lines that it should print; none: anything."""

    document: Path
    line: int
    text: str
    expected: tuple[str, ...]

    def mismatch(self, output: str, code: int) -> str | None:
        """What is wrong with what came, or None. A command that is shown ends with 0."""
        came = plain(output)
        if code == 0 and (not self.expected or matches(self.expected, came)):
            return None
        wanted = "\n".join(f"  | {line}" for line in self.expected) or "  (anything)"
        found = "\n".join(f"  | {line}" for line in came) or "  (nothing)"
        return (
            f"{self.document}:{self.line}: $ {self.text}\n"
            f"expected, with exit code 0:\n{wanted}\ncame, with exit code {code}:\n{found}"
        )


def blocks(text: str) -> Iterator[Block]:
    """Every fenced block of a document, in order.

    Raises:
        ValueError: a fence is opened and never closed.
    """
    opened: Block | None = None
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(line)
        if opened is None:
            if fence:
                opened = Block(fence[1], number + 1, ())
        elif fence:
            yield opened
            opened = None
        else:
            opened = opened._replace(lines=(*opened.lines, line))
    if opened is not None:
        raise ValueError(f"the block that begins in line {opened.line} never ends")


def commands(document: Path, block: Block) -> list[Command]:
    """The commands of a console block, each with the lines below it.

    Raises:
        ValueError: the block begins with output.
    """
    found: list[Command] = []
    for number, line in enumerate(block.lines, block.line):
        last = found[-1] if found else None
        if last is not None and last.text.endswith("\\") and not last.expected:
            text = last.text.removesuffix("\\") + line.removeprefix("> ").lstrip()
            found[-1] = last._replace(text=text)
        elif line.startswith(_PROMPT):
            found.append(Command(document, number, line.removeprefix(_PROMPT), ()))
        elif last is None:
            raise ValueError(f"{document}:{number}: output without a command")
        else:
            found[-1] = last._replace(expected=(*last.expected, line.rstrip()))
    return found


def plain(output: str) -> list[str]:
    """Lines without spaces at their ends and without blank lines at the end of all."""
    return [line.rstrip() for line in output.rstrip().splitlines()]


def matches(expected: Sequence[str], lines: Sequence[str]) -> bool:
    """Whether the lines are what was expected, all of them, in order."""
    # Places in `expected` that the lines so far can have led to, as in an automaton without backtracking.
    places = _reach(expected, {0})
    for line in lines:
        stay = {at for at in places if at < len(expected) and expected[at] == ANYTHING}
        step = {
            at + 1
            for at in places - stay
            if at < len(expected) and _pattern(expected[at]).fullmatch(line) is not None
        }
        places = _reach(expected, stay | step)
    return len(expected) in places


def _reach(expected: Sequence[str], places: set[int]) -> set[int]:
    reached = set(places)
    for at in sorted(places):
        end = at
        while end < len(expected) and expected[end] == ANYTHING:
            end += 1
            reached.add(end)
    return reached


def _pattern(line: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in line.split(ANYTHING)))


def on_a_port_of_its_own(text: str) -> str:
    """A command in which `cev up` takes any free port: two documents may be run at once."""
    return _OWN_PORT.sub("cev up --port 0", text)


def is_for_the_reader(text: str) -> bool:
    """Whether a command is not run here: getting the sources, and make's targets with tests of their own."""
    return text.split(maxsplit=1)[0] in ("git", "cd", "make", "source")


def links(text: str) -> list[tuple[int, str]]:
    """Every link's line and target, outside of blocks."""
    return [(number, found[1]) for number, line in _prose(text) for found in _LINK.finditer(line)]


def modules(text: str) -> list[tuple[int, str]]:
    """Line and path of every Python file that the document names in backticks, or in a picture."""
    return [
        (number, match[1])
        for number, line in enumerate(text.splitlines(), 1)
        for match in _MODULE.finditer(line)
    ]


def made(text: str) -> list[tuple[int, str]]:
    """Line and target of every `make TARGET` that the document names, in prose or in a block."""
    found: list[tuple[int, str]] = []
    for number, line in _prose(text):
        words = [span[1].split() for span in _INLINE.finditer(line)]
        found += [(number, each[1]) for each in words if each[0] == "make" and len(each) > 1]
    for block in blocks(text):
        for number, line in enumerate(block.lines, block.line):
            if line.startswith(f"{_PROMPT}make "):
                found.append((number, line.split()[2]))
    return found


def named(text: str) -> list[tuple[int, str]]:
    """Line and words of every `cev …` in the document's prose."""
    return [
        (number, span[1])
        for number, line in _prose(text)
        for span in _INLINE.finditer(line)
        if span[1].split()[0] == "cev"
    ]


def anchors(text: str) -> set[str]:
    """The names by which a document's headings can be linked to, as GitHub makes them."""
    titles = [line.lstrip("#").strip() for _, line in _prose(text) if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}


def _prose(text: str) -> Iterator[tuple[int, str]]:
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            yield number, line
