"""`cev demo` itself: set the stage, tell a story, clear the stage.

I/O: signals.
"""

import signal
from typing import Annotated, Literal

import typer

from cli.common import command
from cli.demo.conversation import Conversation
from cli.demo.stage import Stage
from cli.demo.story import Story
from cli.demo.telling import Teller
from cli.output import console

_STORIES: dict[str, type[Story | Conversation]] = {"switch": Story, "payments": Conversation}

commands = typer.Typer(rich_markup_mode=None)


@command(commands, "demo", examples=("cev demo", "cev demo payments"), cluster=False)
def demo(
    ctx: typer.Context,
    story: Annotated[
        Literal["switch", "payments"],
        typer.Argument(metavar="STORY", help="Which: switch (from command to fact) or payments."),
    ] = "switch",
) -> None:
    """Tell the whole story on a real broker.

    It runs in a data directory of its own and removes it afterwards; your settings and clusters are not
    touched. Exits with 1 if a promise was broken.
    """
    del ctx
    stage = Stage()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Ended from outside, or its terminal closed: the stage is cleared all the same.
        signal.signal(number, stage.interrupt)
    try:
        kept = _STORIES[story](stage, Teller(console)).run()
    finally:
        stage.close()
    if not kept:
        raise typer.Exit(1)
