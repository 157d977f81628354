"""Result records: stable ids, the right topic, the trace of what they answer."""

import re
from dataclasses import replace

import pytest

from consumers.registry import named
from consumers.runtime.results import ResultRenderer
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.envelope import Envelope, from_headers
from schemas.errors import Position
from schemas.facts import DispatchExpired, DispatchRejected, Fact, OrderPlaced, ProductDispatched
from schemas.framing import encode_key
from schemas.topics import DISPATCH_RESULTS
from tests.support.consumers.records import NOW, command, fact

AT = "2027-01-15T08:00:00.000Z"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
WHERE = Position(DISPATCH_RESULTS, 0, 0)


def answers() -> ResultRenderer:
    return ResultRenderer(named("warehouse"), Codec(), AT)


@pytest.mark.parametrize(
    "result",
    [
        ProductDispatched(-7, "1 Streetford Road", NOW),
        DispatchRejected(-7, "the address is blank", NOW),
        DispatchExpired(-7, NOW - 1, NOW),
    ],
)
def test_every_result_of_the_warehouse_reads_back_as_it_was(result: Fact) -> None:
    out = answers().render(result, command(-7))
    assert (out.topic, out.key) == (DISPATCH_RESULTS, encode_key(-7))
    assert Codec().decode(DISPATCH_RESULTS, out.key, out.value, WHERE) == result
    headers = dict(out.headers)
    assert headers["ce_id"] == f"warehouse/-7/{type(result).__name__}"
    assert headers["ce_type"] == f"command_event.{type(result).__name__}"
    assert (headers["ce_source"], headers["ce_time"]) == ("cev/warehouse", AT)


def test_the_id_is_made_of_the_effect_key_so_path_and_time_change_nothing() -> None:
    early, late = answers(), ResultRenderer(named("warehouse"), Codec(), "2030-01-01T00:00:00.000Z")
    one = early.render(ProductDispatched(7, "a", NOW), command(7, at=1))
    two = late.render(ProductDispatched(7, "a", NOW + 1), fact(7, at=99))
    assert dict(one.headers)["ce_id"] == dict(two.headers)["ce_id"] == "warehouse/7/ProductDispatched"


def test_a_result_names_what_caused_it_and_stays_in_its_trace() -> None:
    item = command(7)
    envelope = Envelope("id-7", "buy-7", traceparent=PARENT, tracestate="a=b")
    item = item._replace(envelope=envelope)
    out = answers().render(ProductDispatched(7, "a", NOW), item)
    found = from_headers(out.headers, order_id=7, position=WHERE)
    assert (found.correlation_id, found.causation_id) == ("buy-7", item.envelope.message_id)
    assert found.traceparent is not None
    assert re.fullmatch(r"00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01", found.traceparent)
    assert found.traceparent != PARENT
    assert found.tracestate == "a=b"


def test_a_message_without_a_trace_gets_an_answer_without_one() -> None:
    out = answers().render(ProductDispatched(7, "a", NOW), command(7))
    assert "traceparent" not in dict(out.headers)


@pytest.mark.parametrize("wrong", [OrderPlaced(7, "a", NOW), DispatchProduct(7, "a")])
def test_what_the_reaction_does_not_say_it_writes_is_refused(wrong: Fact) -> None:
    with pytest.raises(TypeError, match=r"warehouse returned a .*no topic in its `writes`"):
        answers().render(wrong, command(7))


def test_a_reaction_that_writes_nothing_may_answer_nothing() -> None:
    mute = ResultRenderer(replace(named("warehouse"), writes=()), Codec(), AT)
    with pytest.raises(TypeError):
        mute.render(ProductDispatched(7, "a", NOW), command(7))
