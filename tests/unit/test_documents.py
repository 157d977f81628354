"""The reader of documents, and what can be said of ours without running them: links, targets, names."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.architecture import ROOMS
from tests.support.command_line import every_command
from tests.support.documents import documents
from tests.support.documents.documents import ANYTHING, Block, Command

ROOT = Path(__file__).parents[2]
OURS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/*.md"))]
COMMANDS = every_command()
HERE = Path("page.md")
WORDS_A_MINUTE = 200

LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r…"), max_size=5), max_size=6)


# -- matching ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "came"),
    [
        (["a"], ["a"]),
        (["a … c"], ["a b c"]),
        (["a…"], ["a"]),
        ([ANYTHING], []),
        ([ANYTHING], ["a", "b"]),
        ([ANYTHING, "b"], ["a", "b"]),
        ([ANYTHING, "b"], ["b", "b"]),
        ([ANYTHING, "b", ANYTHING], ["b"]),
        (["a", ANYTHING, "b…", ANYTHING, "c"], ["a", "b", "b", "bc", "x", "c"]),
        ([".*"], [".*"]),
    ],
)
def test_what_is_expected_matches_what_came(expected: list[str], came: list[str]) -> None:
    assert documents.matches(expected, came)


@pytest.mark.parametrize(
    ("expected", "came"),
    [
        (["a"], ["b"]),
        (["a"], ["a", "b"]),
        (["a", "b"], ["a"]),
        (["a", "b"], ["b", "a"]),
        ([], ["a"]),
        (["a … c"], ["a c"]),
        ([ANYTHING, "b"], ["b", "a"]),
        (["a", ANYTHING, "b"], ["a"]),
        ([".*"], ["anything"]),
        (["a"], ["xa"]),
    ],
)
def test_what_is_not_as_expected_does_not_match(expected: list[str], came: list[str]) -> None:
    assert not documents.matches(expected, came)


@given(LINES, LINES, LINES)
def test_lines_match_themselves_and_an_ellipsis_any_lines_between(
    head: list[str], middle: list[str], tail: list[str]
) -> None:
    assert documents.matches(head, head)
    assert documents.matches([*head, ANYTHING, *tail], [*head, *middle, *tail])


@given(LINES, LINES)
def test_without_an_ellipsis_only_equal_lines_match(expected: list[str], came: list[str]) -> None:
    assert documents.matches(expected, came) == (expected == came)


def test_a_long_output_with_many_ellipses_is_judged_at_once() -> None:
    assert not documents.matches([ANYTHING, "a…a"] * 20 + ["b"], ["a a"] * 2_000)


def test_a_mismatch_names_the_place_the_command_what_was_expected_and_what_came() -> None:
    command = Command(HERE, 7, "cev mode show", ("event…",))
    assert command.mismatch("event  epoch 1  \n\n", 0) is None
    said = command.mismatch("command  epoch 0\n", 0)
    assert said is not None
    for word in ("page.md:7", "$ cev mode show", "| event…", "| command  epoch 0"):
        assert word in said
    ended = command.mismatch("event\n", 3)
    assert ended is not None
    assert "exit code 3" in ended


def test_a_command_without_lines_below_it_only_has_to_end_well() -> None:
    command = Command(HERE, 7, "cev down", ())
    assert command.mismatch("stopped\n", 0) is None
    assert command.mismatch("", 1) is not None


# -- reading -----------------------------------------------------------------------------------------------

PAGE = """# A page, with `make test` & more

See [below](#a-second-part) and ![a picture](picture.svg); `cev order place` and `cev up`.

```console
$ printf 'a\\n' \\
>   | cat
a
$ cev up && cev up --port 0
```

## A second part

```python
print("[no](link)")
```
"""


def test_blocks_know_their_language_and_lines() -> None:
    console, python = documents.blocks(PAGE)
    assert (console.language, console.line) == ("console", 6)
    assert python == Block("python", 15, ('print("[no](link)")',))
    with pytest.raises(ValueError, match="line 2 never ends"):
        list(documents.blocks("```text\nleft open"))


def test_commands_have_their_output_below_them_and_may_take_several_lines() -> None:
    console, _ = documents.blocks(PAGE)
    first, second = documents.commands(HERE, console)
    assert first == Command(HERE, 6, "printf 'a\\n' | cat", ("a",))
    assert (second.line, second.expected) == (9, ())
    with pytest.raises(ValueError, match=r"page\.md:4: output without a command"):
        documents.commands(HERE, Block("console", 4, ("lost",)))


def test_a_broker_of_a_document_takes_any_free_port() -> None:
    assert documents.on_a_port_of_its_own("cev up") == "cev up --port 0"
    assert documents.on_a_port_of_its_own("cev up --registry") == "cev up --port 0 --registry"
    for other in ("cev up --port 9099", "cev upset", "cev order place"):
        assert documents.on_a_port_of_its_own(other) == other


def test_what_prose_names_is_found_outside_of_blocks() -> None:
    assert [target for _, target in documents.links(PAGE)] == ["#a-second-part", "picture.svg"]
    assert documents.made(PAGE) == [(1, "test")]
    assert [words for _, words in documents.named(PAGE)] == ["cev order place", "cev up"]
    assert documents.modules('a `cli/main.py`\nand x.pyc\n```mermaid\na["decide.py<br>1"]\n```') == [
        (1, "cli/main.py"),
        (4, "decide.py"),
    ]
    assert documents.anchors(PAGE) == {"a-page-with-make-test--more", "a-second-part"}


# -- ours --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", OURS, ids=lambda path: path.name)
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    for line, target in documents.links(document.read_text("utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = document.parent / path if path else document
        assert file.exists(), f"{document.name}:{line}: there is no {target}"
        known = documents.anchors(file.read_text("utf-8")) if anchor else {""}
        assert anchor in known, f"{document.name}:{line}: {file.name} has no heading for #{anchor}"


@pytest.mark.parametrize("document", OURS, ids=lambda path: path.name)
def test_every_module_that_a_document_names_exists(document: Path) -> None:
    """Pictures shorten a path by the room that it stands in: `kafka/consumer.py` in consumers/runtime."""
    ours = [f"/{path.relative_to(ROOT)}" for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    for line, name in documents.modules(document.read_text("utf-8")):
        known = any(path.endswith(f"/{name}") for path in ours) or (ROOT / name).is_file()
        assert known, f"{document.name}:{line}: there is no {name}"


@pytest.mark.parametrize("document", OURS, ids=lambda path: path.name)
def test_every_target_of_make_that_a_document_names_exists(document: Path) -> None:
    rules = {line.partition(":")[0] for line in (ROOT / "Makefile").read_text("utf-8").splitlines()}
    for line, target in documents.made(document.read_text("utf-8")):
        assert target in rules, f"{document.name}:{line}: the Makefile has no {target}"


@pytest.mark.parametrize("document", OURS, ids=lambda path: path.name)
def test_every_command_that_prose_names_exists(document: Path) -> None:
    for line, text in documents.named(document.read_text("utf-8")):
        words: tuple[str, ...] = ()
        for word in text.split()[1:]:
            if word.startswith("-") or not hasattr(COMMANDS[words], "commands"):
                break
            words = (*words, word)
            assert words in COMMANDS, f"{document.name}:{line}: `{text}` is no command"


def test_the_reading_order_names_every_page_and_the_minutes_that_its_pages_take() -> None:
    page = ROOT / "docs" / "README.md"
    rows = [line for line in page.read_text("utf-8").splitlines() if line.startswith("| ") and ".md" in line]
    read: set[Path] = set()
    for row in rows:
        targets = [target.partition("#")[0] for _, target in documents.links(row)]
        pages = [(page.parent / target).resolve() for target in targets]
        read.update(pages)
        needed = sum(len(each.read_text("utf-8").split()) for each in pages) / WORDS_A_MINUTE
        minutes = int(row.split("|")[-2])
        assert needed / 2 <= minutes <= max(2 * needed, 10), f"{minutes} minutes for {needed:.0f}: {row}"
    unread = {each.name for each in ROOT.glob("docs/*.md")} - {page.name} - {each.name for each in read}
    assert not unread, f"docs/README.md names nobody who reads {unread}"
