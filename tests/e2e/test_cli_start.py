"""How the process begins: an interrupt that comes while modules are still being loaded.

I/O: starts the program; a module in a temporary directory that is found before the real one.
"""

import json
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


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_what_stdout_cannot_encode_is_escaped(tmp_path: Path, encoding: str) -> None:
    folder = tmp_path / "Ω🦄"
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "CEV_DATA_DIR": str(folder)}
    for as_json in ((), ("--json",)):
        done = subprocess.run(
            [sys.executable, "-m", "cli", "config", "show", *as_json],
            capture_output=True,
            check=False,
            timeout=60,
            env=environment,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        text = done.stdout.decode(encoding)
        if as_json:
            values = {setting["name"]: setting["value"] for setting in map(json.loads, text.splitlines())}
            assert values["data_dir"] == str(folder)
        else:
            assert ("Ω🦄" if encoding == "utf-8" else r"\u03a9\U0001f984") in text.replace("\n", "")
