"""What `cev verify` says about records that it cannot read, and about dead letters."""

import pytest

from cli import verify
from operations.verify.reconciliation import Reconciliation
from tests.support.drafts import DEAD, EVENT, draft


@pytest.fixture
def reconciliation() -> Reconciliation:
    return draft([EVENT._replace(warehouse=DEAD)]).reconciled()


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        ("NoRegistry", "3 records of a schema registry cannot be read without it"),
        ("UnknownSchemaId", "this schema registry does not know the schema"),
        ("UnknownFingerprint", "this version of the program does not know the schema"),
        ("MalformedBody", ""),
        ("UnknownFraming", ""),
        ("TextKey", ""),
    ],
)
def test_a_hint_fits_the_error_and_what_no_setting_helps_has_none(
    reconciliation: Reconciliation, error: str, hint: str
) -> None:
    hints = list(verify._hints(reconciliation._replace(unreadable=3, unreadable_by_error={error: 3})))
    assert [hint in text for text in hints] == [True] * bool(hint)


def test_orders_and_dead_letters_are_both_named(
    capsys: pytest.CaptureFixture[str], reconciliation: Reconciliation
) -> None:
    verify._print(
        reconciliation._replace(
            dead_letters={"warehouse": 1, "sales": 2}, unreadable=2, unreadable_by_error={"NullKey": 2}
        )
    )
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert any(line.startswith("dead 1 orders that are not dispatched") for line in lines)
    assert "dead letters 3 1 of warehouse, 2 of sales: `cev dlq list`" in lines
    assert "unreadable 2 records that are no orders: 2 NullKey" in lines


def test_payments_are_named_where_there_are_orders_in_flows_and_nowhere_else(
    capsys: pytest.CaptureFixture[str], reconciliation: Reconciliation
) -> None:
    verify._print(reconciliation)
    assert "captured" not in capsys.readouterr().out
    in_flows = reconciliation._replace(
        in_flows=3, captured=1, payment_failed=1, unpaid=("8",), unresolved=("9",)
    )
    verify._print(in_flows)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "captured 1 paid, each once" in lines
    assert any(line.startswith("unpaid 1 of the lost") and line.endswith("8") for line in lines)
    assert any(line.startswith("unresolved 1 nobody knows") and line.endswith("9") for line in lines)
