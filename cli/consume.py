"""`cev consume`: run reactions until told to stop.

The consumers themselves are in `run_consumers`, so that help and completion load no database toolkit.
"""

from typing import Annotated

import typer

from cli.common import app_context, command
from cli.completion import reaction_names
from consumers.registry import REACTIONS
from consumers.runtime.reaction import Start

commands = typer.Typer(rich_markup_mode=None)


@command(
    commands,
    "consume",
    examples=(
        "cev consume warehouse notification sales",
        "cev consume warehouse --until-idle 5",
        "cev consume loyalty --from now --workers 8",
    ),
    logs_events=True,
)
def consume(
    ctx: typer.Context,
    reactions: Annotated[
        list[str],
        typer.Argument(
            metavar="REACTION",
            help=f"One or more of {', '.join(r.name for r in REACTIONS)}.",
            autocompletion=reaction_names,
            show_default=False,
        ),
    ],
    *,
    workers: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            max=64,
            help="Deliveries in parallel, 1 to 64; those of one order stay in order.",
        ),
    ] = 4,
    start: Annotated[
        Start | None,
        typer.Option(
            "--from",
            help="Where a group begins at its very first start, instead of what the registry says.",
        ),
    ] = None,
    until_idle: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0, help="Stop once nothing has arrived for so many seconds."),
    ] = None,
) -> None:
    """Run reactions, each as its own consumer group, until SIGTERM.

    The first SIGTERM or SIGINT finishes what is in flight, commits, and leaves the groups; a second one ends
    the process at once.
    """
    from cli.run_consumers import run_consumers  # noqa: PLC0415 - see the module's head

    run_consumers(app_context(ctx), reactions, workers=workers, start=start, until_idle_s=until_idle)
