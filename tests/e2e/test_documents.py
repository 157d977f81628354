"""Every command that a document shows is run, in its order, in one session, and prints what it shows.

I/O: bash, a world a document on a free port, files in a temporary directory.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.embedded import down
from broker.running import running
from tests.support.documents import documents
from tests.support.documents.documents import Block
from tests.support.documents.shell import Shell

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
DEADLINE_S = 120.0
_OUR_PORT = re.compile(r"\b(localhost|127\.0\.0\.1):9092\b")


class Reader:
    """Somebody who types what a document says, in a fresh directory."""

    def __init__(self, document: Path, folder: Path) -> None:
        self._document = document
        self._data = folder / "data"
        self._desk = folder / "desk"
        self._outputs = folder / "outputs"
        for each in (self._desk, self._outputs):
            each.mkdir()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CEV_")}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        self._shell = Shell(self._desk, self._outputs, {**environment, "CEV_DATA_DIR": str(self._data)})

    def console(self, block: Block) -> Iterator[str]:
        """Type a block's commands; what did not come as it is shown."""
        for command in documents.commands(self._document, block):
            if documents.is_for_the_reader(command.text):
                continue
            text = documents.on_a_port_of_its_own(command.text)
            try:
                output, code = self._shell.run(text, DEADLINE_S)
            except TimeoutError as error:
                yield f"{self._document}:{command.line}: {error}"
                return
            if (wrong := command.mismatch(output, code)) is not None:
                yield wrong

    def python(self, block: Block) -> Iterator[str]:
        """Run a block as a script, with the document's world in place of the default address."""
        text = "\n".join(block.lines)
        if _OUR_PORT.search(text) and running(self._data) is None:
            self._shell.run("cev up --port 0", DEADLINE_S)
        world = running(self._data)
        variable = ""
        if world is not None:
            text = _OUR_PORT.sub(world.bootstrap, text)
            variable = f"CEV_BOOTSTRAP_SERVERS={world.bootstrap} "
        script = self._outputs / f"line-{block.line}.py"
        script.write_text(text, "utf-8")
        output, code = self._shell.run(f"{variable}python {script}", DEADLINE_S)
        if code:
            yield f"{self._document}:{block.line}: the script ended with {code}:\n{output}"

    def tracebacks(self) -> Iterator[str]:
        """Every file of the session in which a Python error lies open."""
        for path in [*self._desk.rglob("*"), *self._outputs.glob("*.out")]:
            if path.is_file() and "Traceback" in (text := path.read_text("utf-8", errors="replace")):
                yield f"{self._document}: a traceback in {path.name}:\n{text}"

    def leave(self) -> None:
        """End everything that the document started."""
        try:
            self._shell.close()
        finally:
            down(self._data, delete_data=True)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_of_a_document_does_what_the_document_says(document: Path, tmp_path: Path) -> None:
    reader = Reader(document.relative_to(ROOT), tmp_path)
    wrong: list[str] = []
    try:
        for block in documents.blocks(document.read_text("utf-8")):
            if block.language == "console":
                wrong += reader.console(block)
            elif block.language == "python":
                wrong += reader.python(block)
    finally:
        reader.leave()
    wrong += reader.tracebacks()
    assert not wrong, "\n\n".join(wrong)
