"""What `cev dlq` says when it is stopped half-way."""

from types import SimpleNamespace
from typing import Any

import pytest

from cli.dlq import commands
from operations.dead_letters.listing import Filter
from operations.dead_letters.redrive import Redrive, RedriveProgress, RedriveRequest


@pytest.mark.parametrize(
    ("ruling", "told"),
    [
        (RedriveRequest("redriven", "ada@here"), "stopped after 7 were redriven; "),
        (RedriveRequest("redriven", "ada@here", dry_run=True), ""),
    ],
)
def test_who_interrupts_a_redrive_hears_how_far_it_came(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ruling: RedriveRequest, told: str
) -> None:
    def interrupted(self: Redrive) -> RedriveProgress:
        self.progress.done = 7
        raise KeyboardInterrupt

    monkeypatch.setattr(Redrive, "run", interrupted)
    monkeypatch.setattr("operations.dead_letters.redrive.Admin", lambda _cluster: None)
    here: Any = SimpleNamespace(cluster=None)
    with pytest.raises(KeyboardInterrupt):
        commands._decide(here, None, Filter(), ruling, as_json=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(told)
    assert bool(said.err) == bool(told)
