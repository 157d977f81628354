"""A record exactly as ksqlDB writes the pattern page's `INSERT` is a command like ours."""

import pytest

from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.errors import UnknownType
from schemas.topics import DISPATCH_PRODUCTS, ORDERS
from tests.support.kafka.wire import KSQL_SCHEMA, WHERE, FakeRegistry, framed, key_of, nullable_text_of


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry()


@pytest.mark.parametrize("address", ["1 Streetford Road", "", None])
def test_a_record_that_ksqldb_wrote_is_a_dispatch_product(
    registry: FakeRegistry, address: str | None
) -> None:
    """`INSERT INTO ... VALUES (12001, '1 Streetford Road')`: Long key, registry frame, no headers."""
    value = framed(registry.add(KSQL_SCHEMA), nullable_text_of(address))
    decoded = Codec(registry).decode(DISPATCH_PRODUCTS, key_of(12001), value, WHERE)
    assert decoded == DispatchProduct(order_id=12001, address=address, mode_epoch=0)


def test_the_bytes_of_the_patterns_first_row_are_these(registry: FakeRegistry) -> None:
    number = registry.add(KSQL_SCHEMA, 0x01020304)
    value = bytes.fromhex("00 01020304 02 22") + b"1 Streetford Road"
    assert framed(number, nullable_text_of("1 Streetford Road")) == value
    decoded = Codec(registry).decode(DISPATCH_PRODUCTS, bytes.fromhex("0000000000002ee1"), value, WHERE)
    assert decoded == DispatchProduct(12001, "1 Streetford Road")


def test_ksqldbs_record_is_no_order_placed(registry: FakeRegistry) -> None:
    value = framed(registry.add(KSQL_SCHEMA), nullable_text_of("x"))
    with pytest.raises(UnknownType, match=r"KsqlDataSourceSchema; orders carries OrderPlaced"):
        Codec(registry).decode(ORDERS, key_of(1), value, WHERE)
