"""The page about erasure names every place where a customer's data may lie."""

from pathlib import Path

import pytest

from consumers.registry import REACTIONS
from schemas.topics import CATALOGUE, Kind

PAGE = (Path(__file__).parents[2] / "docs" / "erasure.md").read_text("utf-8")
TABLE = PAGE.split("## What is where")[1].split("\n## ")[0]


@pytest.mark.parametrize("topic", [topic.name for topic in CATALOGUE if topic.kind is not Kind.CONTROL])
def test_the_page_says_what_every_topic_has_of_a_customer(topic: str) -> None:
    assert f"| `{topic}` |" in TABLE


@pytest.mark.parametrize("reaction", [reaction.name for reaction in REACTIONS])
def test_the_page_says_what_every_groups_store_has_of_a_customer(reaction: str) -> None:
    assert f"store of `{reaction}`" in TABLE
