"""`cev demo` itself: set the stage, tell the story, clear the stage.

I/O: signals.
"""

import signal

import typer

from cli.common import command
from cli.demo.stage import Stage
from cli.demo.story import Story
from cli.demo.telling import Teller
from cli.output import console

commands = typer.Typer(rich_markup_mode=None)


@command(commands, "demo", examples=("cev demo",), cluster=False)
def demo(ctx: typer.Context) -> None:
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
        kept = Story(stage, Teller(console)).run()
    finally:
        stage.close()
    if not kept:
        raise typer.Exit(1)
