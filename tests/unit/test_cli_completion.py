"""What a shell offers after a tab: commands, reactions, topics, modes and groups; no cluster is asked.

I/O: child processes, bash among them; a home folder of their own.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from consumers.registry import REACTIONS, all_topics

CEV = Path(sys.executable).with_name("cev")
TYPED = """
COMP_WORDS=({words})
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_cev_completion cev
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

OFFERS = [
    ("consume wa", ["warehouse"]),
    ("consume warehouse no", ["notification"]),
    ("effects ''", [reaction.name for reaction in REACTIONS]),
    ("topics describe dispatch_", ["dispatch_products", "dispatch_results"]),
    ("topics describe warehouse.orders.", ["warehouse.orders.dlq", "warehouse.orders.retry"]),
    ("mode set ''", ["command", "shadow", "event"]),
    ("dlq list --group lo", ["loyalty"]),
    ("dlq list --topic orders", ["orders"]),
    ("consume --from be", ["beginning"]),
    ("order pl", ["place"]),
    ("order list --state re", ["rejected", "refunded", "refund-failed"]),
    ("con", ["consume", "config"]),
    ("order place --exp", ["--expires-in"]),
]


def environment(home: Path, **more: str) -> dict[str, str]:
    """Without a cluster: none is named, and none runs in the data directory."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CEV_")}
    path = f"{CEV.parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "HOME": str(home), "CEV_DATA_DIR": str(home / "data"), "PATH": path, **more}


def ran(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `cev` has bash source."""
    home = tmp_path_factory.mktemp("home")
    return ran([str(CEV)], environment(home, _CEV_COMPLETE="source_bash"))


@pytest.mark.parametrize(("words", "offered"), OFFERS)
def test_bash_is_offered(script: str, tmp_path: Path, words: str, offered: list[str]) -> None:
    printed = ran(
        ["bash", "--norc", "-c", script + TYPED.format(words=f"cev {words}")], environment(tmp_path)
    )
    assert sorted(printed.split()) == sorted(offered)


def test_every_topic_is_offered(tmp_path: Path) -> None:
    printed = ran(
        [str(CEV)],
        environment(
            tmp_path, _CEV_COMPLETE="complete_bash", COMP_WORDS="cev topics describe ", COMP_CWORD="3"
        ),
    )
    assert printed.split() == [topic.name for topic in all_topics()]


def test_installed_for_bash_it_works_in_the_next_shell(tmp_path: Path) -> None:
    printed = ran(["bash", "--norc", "-c", "cev --install-completion; true"], environment(tmp_path))
    assert "bash completion installed" in printed
    typed = TYPED.format(words="cev consume wa")
    printed = ran(
        ["bash", "--rcfile", str(tmp_path / ".bashrc"), "-i", "-c", f"complete -p cev; {typed}"],
        environment(tmp_path),
    )
    assert printed.splitlines()[-1] == "warehouse"
    assert "_cev_completion" in printed


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_offered_the_same(tmp_path: Path, shell: str) -> None:
    """What their scripts ask for and get; the shells themselves are used where they are installed."""
    asked = {
        "_CEV_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": "cev consume wa",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    assert "warehouse" in ran([str(CEV)], environment(tmp_path, **asked))
    script = ran([str(CEV)], environment(tmp_path, _CEV_COMPLETE=f"source_{shell}"))
    assert f"_CEV_COMPLETE=complete_{shell}" in script
    program = shutil.which(shell)
    if program is not None:
        file = tmp_path / "script"
        file.write_text(script, "utf-8")
        ran([program, "-n", str(file)], environment(tmp_path))
