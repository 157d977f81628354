"""The table of reactions, and the rule that a command has one audience (design §7, points 10 and 12)."""

from dataclasses import MISSING, fields, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from consumers.registry import REACTIONS, all_topics, named
from consumers.runtime.member import check_owner
from consumers.runtime.reaction import AnyReaction, Reaction
from schemas.errors import NotTheOwner, UsageError
from schemas.topics import BY_NAME, CATALOGUE, DISPATCH_PRODUCTS, DISPATCH_RESULTS, Kind

TESTS = Path(__file__).parent / "reactions"


def file_of(reaction: AnyReaction) -> ModuleType:
    """The file of a reaction: its name, in the spelling of modules."""
    return import_module(f"consumers.{reaction.name.replace('-', '_')}")


@pytest.mark.parametrize("reaction", REACTIONS, ids=lambda each: each.name)
def test_a_line_repeats_what_its_file_says(reaction: AnyReaction) -> None:
    file = file_of(reaction)
    assert reaction.react is file.react
    assert reaction.reads == file.READS
    assert reaction.writes == getattr(file, "WRITES", ())
    assert reaction.issues == getattr(file, "ISSUES", ())
    assert reaction.channels == getattr(file, "CHANNELS", ())


@pytest.mark.parametrize("name", ["warehouse", "notification", "sales", "tracking", "loyalty"])
def test_the_reactions_of_the_shop_begin_at_the_beginning_because_their_lines_say_so(name: str) -> None:
    assert named(name).start == "beginning"


def test_a_start_position_cannot_be_left_out() -> None:
    [start] = [field for field in fields(Reaction) if field.name == "start"]
    assert start.default is MISSING
    assert start.default_factory is MISSING


def test_only_the_warehouse_replaces_a_command() -> None:
    assert {each.name: each.replaces for each in REACTIONS if each.replaces} == {
        "warehouse": DISPATCH_PRODUCTS
    }


@pytest.mark.parametrize("reaction", REACTIONS, ids=lambda each: each.name)
def test_every_command_topic_is_read_by_its_owner_alone(reaction: AnyReaction) -> None:
    check_owner(reaction)


@pytest.mark.parametrize("thief", ["notification", "sales", "loyalty", "warehouse-two"])
def test_a_reaction_that_reads_anothers_command_is_refused(thief: str) -> None:
    with pytest.raises(NotTheOwner, match=f"{thief} reads .*{DISPATCH_PRODUCTS}.*only reader is warehouse"):
        check_owner(replace(named("warehouse"), name=thief))
    assert NotTheOwner.exit_code == 4


def test_results_are_written_by_the_owner_of_their_topic() -> None:
    for reaction in REACTIONS:
        assert all(BY_NAME[topic].owner == reaction.name for topic in reaction.writes)
        assert all(BY_NAME[topic].kind is Kind.RESULT for topic in reaction.writes)
    assert named("warehouse").writes == (DISPATCH_RESULTS,)


def test_a_cluster_needs_the_catalogue_and_two_topics_a_group_and_source() -> None:
    names = [topic.name for topic in all_topics()]
    pairs = sum(len(reaction.reads) for reaction in REACTIONS)
    assert len(names) == len(set(names)) == len(CATALOGUE) + 2 * pairs
    assert {"warehouse.orders.dlq", "warehouse.dispatch_products.retry", "loyalty.orders.dlq"} <= set(names)


def test_an_unknown_reaction_is_answered_with_the_one_that_was_meant_or_all() -> None:
    with pytest.raises(UsageError, match="no reaction 'shipping'; there are warehouse, notification"):
        named("shipping")
    with pytest.raises(UsageError, match=r"no reaction 'wharehouse'; did you mean warehouse\?$"):
        named("wharehouse")


@pytest.mark.parametrize("reaction", REACTIONS, ids=lambda each: each.name)
def test_a_reaction_is_one_small_file_that_names_its_topics_at_its_head(reaction: AnyReaction) -> None:
    source = Path(file_of(reaction).__file__ or "").read_text("utf-8")
    assert len(source.splitlines()) < 60
    head = source.split('"""')[1]
    assert all(topic in head for topic in (*reaction.reads, *reaction.writes, *reaction.issues))


@pytest.mark.parametrize("reaction", REACTIONS, ids=lambda each: each.name)
def test_a_reaction_has_a_test_of_its_own(reaction: AnyReaction) -> None:
    assert (TESTS / f"test_{reaction.name.replace('-', '_')}.py").is_file()
