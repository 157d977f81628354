"""`cev`: every command by name. Nothing is decided here.

Only the modules of the command that was asked for are loaded: a shell that calls `cev` in a loop should not
wait for a database toolkit when it places an order.
"""

import sys
from collections.abc import Sequence
from importlib import import_module

import typer

from cli.version import VersionFlag

COMMANDS: dict[str, str] = {
    "demo": "cli.demo.command",
    "up": "cli.up",
    "down": "cli.up",
    "status": "cli.status",
    "topics": "cli.topics",
    "mode": "cli.mode",
    "order": "cli.order.commands",
    "consume": "cli.consume",
    "effects": "cli.effects",
    "verify": "cli.verify",
    "dlq": "cli.dlq.commands",
    "relay": "cli.relay",
    "config": "cli.config",
}
"""Each command's word, and the module that has it: with `register`, or as a group named `app`."""


def _cev(*, version: VersionFlag = False) -> None:
    """The Command Event pattern and its refactoring on a real Kafka."""
    del version


def build(words: Sequence[str]) -> typer.Typer:
    """The command line for these words: the command they name, or all where they name none."""
    app = typer.Typer(
        name="cev",
        no_args_is_help=True,
        epilog="Example: cev demo",
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_cev)
    asked = next((COMMANDS[word] for word in words[:1] if word in COMMANDS), None)
    for word, name in COMMANDS.items():
        if asked not in (None, name) or (asked is None and words[:1] == ["--version"]):
            continue
        module = import_module(name)
        if not hasattr(module, "register"):
            module.app.callback()(_cev)
            # A group's example is its first command's.
            app.add_typer(module.app, name=word, epilog=module.app.registered_commands[0].epilog)
        elif not any(each.name == word for each in app.registered_commands):
            module.register(app)
    return app


def main() -> None:
    """Run the command that the process was given; raises SystemExit with an exit code of design §9."""
    build(sys.argv[1:])(prog_name="cev")
