"""`cev`: every command by name. Nothing is decided here.

`cev --help` and completion need the table below and nothing else. A command's module is imported when that
command is called: a shell that calls `cev` in a loop should not load a database toolkit to place an order.
"""

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand

from cli.help import MAX_EXAMPLES, MAX_WIDTH, GroupWithHelp, unset_flag
from cli.version import VersionFlag


class Entry(NamedTuple):
    """One line of `cev --help`.

    Attributes:
        module: the module of the command. Its `commands` holds a command of that name, or it is the group.
        help: what the command does: the first sentence of its own help.
    """

    module: str
    help: str


COMMANDS: dict[str, Entry] = {
    "demo": Entry("cli.demo.command", "Tell the whole story on a real broker."),
    "up": Entry("cli.up", "Start an embedded Apache Kafka and create the topics."),
    "down": Entry("cli.up", "Stop the embedded broker."),
    "status": Entry("cli.status", "Show the cluster, the mode, every group's lag, and alarms."),
    "topics": Entry("cli.topics", "Create, inspect and clean the topics that cev uses."),
    "mode": Entry("cli.mode", "Show or set how orders are written: as command, as event, or in shadow."),
    "order": Entry("cli.order.commands", "Place orders in the mode in force, and show how they stand."),
    "consume": Entry("cli.consume", "Run reactions, each as its own consumer group, until SIGTERM."),
    "effects": Entry("cli.effects", "Show what a reaction has done."),
    "process": Entry("cli.process", "Show how far the process manager has come with orders of flow process."),
    "replay": Entry(
        "cli.replay",
        "Build a reaction's states anew from its topics, compare them with the old ones, and swap them.",
    ),
    "payments": Entry("cli.payments", "Show what became of payments, and resolve those of unknown outcome."),
    "verify": Entry("cli.verify", "Check that every accepted order was handled exactly once."),
    "dlq": Entry("cli.dlq.commands", "List, show, redrive and discard dead letters."),
    "store": Entry("cli.store", "Lead a group on that stopped because of its store or its offsets."),
    "relay": Entry("cli.relay", "Publish the rows of an order service's outbox until SIGTERM."),
    "gateway": Entry("cli.gateway", "Run a stand-in for a payment gateway until SIGTERM; it charges nobody."),
    "help": Entry("cli.help_topics", "Explain exit codes and settings, or show the help of a command."),
    "config": Entry("cli.config", "Show the settings in force, or write a settings file."),
}


class DeferredCommand(TyperCommand):
    """A command of which only the name and the one line of help are known until it is called."""

    def __init__(self, name: str) -> None:
        super().__init__(name, help=COMMANDS[name].help, rich_markup_mode=None)

    def load(self) -> Any:
        """Import the command's module; returns the command or group itself."""
        group = typer.main.get_group(import_module(COMMANDS[str(self.name)].module).commands)
        # A group's examples are the first ones of its commands.
        first = [str(below.epilog).partition("\n")[0] for below in group.commands.values()]
        group.epilog = group.epilog or "\n".join(first[:MAX_EXAMPLES])
        return group.commands.get(str(self.name), group)

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the command's own arguments; from here on the context carries the loaded command."""
        return self.load().make_context(*args, **kwargs)


class Commands(GroupWithHelp):
    """The table as a group."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands.update({name: DeferredCommand(name) for name in COMMANDS})

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Parse what stands before the command's name."""
        for parameter in self.params:
            unset_flag(parameter)
        return super().make_context(*args, **kwargs)


app = typer.Typer(
    name="cev",
    cls=Commands,
    no_args_is_help=True,
    epilog='cev demo\ncev up\ncev order place --address "1 Streetford Road"\ncev status --check',
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": MAX_WIDTH},
)
"""The command line as typer has it."""


@app.callback()
def _cev(*, version: VersionFlag = False) -> None:
    """The Command Event pattern and its refactoring on a real Kafka."""
    del version


def main() -> None:
    """Run the command that the process was given; raises SystemExit with an exit code of design §9."""
    app(prog_name="cev")
