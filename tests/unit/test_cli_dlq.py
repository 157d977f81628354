"""What `cev dlq` says when it is stopped half-way and does not wait for what is in flight."""

import json
import os
import signal
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from cli.dlq import commands
from operations.dead_letters.listing import Filter
from operations.dead_letters.redrive import Redrive, RedriveRequest


def test_who_leaves_a_redrive_at_once_hears_how_far_it_came(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(self: Redrive) -> None:
        self.progress.done = 7
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("it goes on after the second signal")

    monkeypatch.setattr(Redrive, "run", interrupted)
    monkeypatch.setattr("operations.dead_letters.redrive.Admin", lambda _cluster: None)
    here: Any = SimpleNamespace(cluster=None)
    with pytest.raises(typer.Exit) as end:
        commands._decide(here, None, Filter(), RedriveRequest("redriven", "ada@here"), as_json=True)
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert (end.value.exit_code, document["done"], document["stopped"]) == (143, 7, True)
    assert told.err == "stopped before the end; the same command again goes on from there\n"
