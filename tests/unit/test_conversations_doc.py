"""The pictures in docs/conversations.md show the states that the program has, and the steps between them."""

import re
from pathlib import Path

from consumers.flows.payment import STATUSES
from consumers.fulfilment import STAGES
from tests.support.documents import documents

PAGE = Path(__file__).parents[2] / "docs" / "conversations.md"
START = "[*]"

_ALIAS = re.compile(r'state "(.+)" as (\w+)')
_EDGE = re.compile(r"(\S+) --> (\w+)")


def edges() -> list[set[tuple[str, str]]]:
    """From which state to which, in each picture of states."""
    blocks = documents.blocks(PAGE.read_text("utf-8"))
    texts = ["\n".join(block.lines) for block in blocks if block.language == "mermaid"]
    pictures = [text for text in texts if text.startswith("stateDiagram")]
    names = [{alias: name for name, alias in _ALIAS.findall(text)} for text in pictures]
    return [
        {(known.get(a, a), known.get(b, b)) for a, b in _EDGE.findall(text)}
        for text, known in zip(pictures, names, strict=True)
    ]


def test_the_picture_of_a_process_has_the_steps_of_fulfilment_and_no_other() -> None:
    steps = {(START, STAGES[()].status)}
    for path, stage in STAGES.items():
        after = {STAGES[other].status for other in STAGES if other[:-1] == path and other}
        if stage.overdue:
            steps.add((stage.status, stage.overdue))
        befores = {stage.status, stage.overdue} if stage.overdue else {stage.status}
        steps |= {(before, status) for before in befores for status in after}
    assert edges()[0] == steps


def test_the_picture_of_a_payment_has_every_status_and_no_other() -> None:
    assert {name for edge in edges()[1] for name in edge} - {START} == {*STATUSES}
