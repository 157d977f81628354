"""How the process begins: an interrupt that comes while modules are still being loaded.

I/O: starts the program; a module in a temporary directory that is found before the real one.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

IMPATIENT = """
import os, signal, time
os.kill(os.getpid(), signal.SIGINT)
time.sleep(20)
"""


@pytest.mark.parametrize("module", ["typer", "confluent_kafka", "sqlalchemy"])
@pytest.mark.parametrize(
    "words", [("-m", "cli"), (str(Path(sys.executable).with_name("cev")),)], ids=("python -m cli", "cev")
)
def test_an_interrupt_while_modules_load_ends_with_130_and_says_nothing(
    tmp_path: Path, words: tuple[str, ...], module: str
) -> None:
    (tmp_path / f"{module}.py").write_text(IMPATIENT, "utf-8")
    done = subprocess.run(
        [sys.executable, *words, "consume", "sales", "--until-idle", "0"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
