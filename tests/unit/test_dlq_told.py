"""What `cev dlq` says when it is stopped half-way."""

from types import SimpleNamespace
from typing import Any

import pytest

from cli import dlq
from operations.dead_letters import Filter
from operations.redrive import Redrive, Ruling, Tally


@pytest.mark.parametrize(
    ("ruling", "told"),
    [
        (Ruling("redriven", "ada@here"), "stopped after 7 were redriven; "),
        (Ruling("redriven", "ada@here", dry_run=True), ""),
    ],
)
def test_who_interrupts_a_redrive_hears_how_far_it_came(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ruling: Ruling, told: str
) -> None:
    def interrupted(self: Redrive) -> Tally:
        self.tally.done = 7
        raise KeyboardInterrupt

    monkeypatch.setattr(Redrive, "run", interrupted)
    monkeypatch.setattr("operations.redrive.Admin", lambda _cluster: None)
    here: Any = SimpleNamespace(cluster=None)
    with pytest.raises(KeyboardInterrupt):
        dlq._decide(here, None, Filter(), ruling, as_json=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(told)
    assert bool(said.err) == bool(told)
