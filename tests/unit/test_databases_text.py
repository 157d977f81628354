"""Text as stores keep it: any text, unchanged where possible."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from databases.text import kept, plain, restored

ODD = st.text(st.sampled_from("\x00\x10\\u0d8a\ud800\udc00\udfffä😀"))
ANY = st.text() | ODD | st.text(st.characters(codec=None, exclude_categories=()))


@given(ANY)
@example("\ud800\udc00")
@example("\U00010000\x00")
def test_any_text_comes_back(text: str) -> None:
    assert restored(kept(text)) == text


@given(ANY)
def test_a_database_takes_whatever_is_kept(text: str) -> None:
    found = kept(text)
    assert "\x00" not in found
    assert found.encode().decode() == found


@given(ANY, ANY)
@example("\ud800\udc00\x00", "\U00010000\x00")
def test_two_texts_are_equal_exactly_if_what_is_kept_of_them_is(one: str, two: str) -> None:
    assert (kept(one) == kept(two)) == (one == two)


@pytest.mark.parametrize("text", ["", "1 Streetford Road", "a\\u0000b", "Überallee 1", "\t\n", "😀"])
def test_what_a_database_takes_anyway_is_kept_as_it_is(text: str) -> None:
    assert plain(text)
    assert kept(text) == text == restored(text)


@pytest.mark.parametrize("old", ["\x10", "\x10abc", "\x10\\u0041", "\x10\\u0000x\\", "\x00", "a\x00"])
def test_a_row_from_before_the_rule_means_what_it_says(old: str) -> None:
    assert restored(old) == old
