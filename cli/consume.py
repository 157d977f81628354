"""`cev consume`: run reactions until told to stop.

The consumers themselves are in `run_consumers`, so that help and completion load no database toolkit; several
processes of them are in `processes`.
"""

from typing import Annotated

import typer

from cli.common import app_context, command, given_flags
from cli.completion import reaction_names
from consumers.registry import REACTIONS
from consumers.runtime.reaction import Start

commands = typer.Typer(rich_markup_mode=None)

Workers = Annotated[
    int,
    typer.Option(
        metavar="N", min=1, max=64, help="Deliveries in parallel, 1 to 64; those of one order stay in order."
    ),
]
Processes = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        max=64,
        help="Processes, 1 to 64, each with a member of every group. One that dies is started again.",
    ),
]
SupervisedAs = Annotated[
    int | None, typer.Option(hidden=True, help="Number of this process; --processes sets it.")
]


@command(
    commands,
    "consume",
    examples=(
        "cev consume warehouse notification sales",
        "cev consume warehouse --until-idle 5",
        "cev consume loyalty --from now --workers 8",
        "cev consume warehouse --processes 2",
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
    workers: Workers = 4,
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
    processes: Processes = 1,
    supervised_as: SupervisedAs = None,
) -> None:
    """Run reactions, each as its own consumer group, until SIGTERM.

    The first SIGTERM or SIGINT finishes what is in flight, commits, and leaves the groups; a second one ends
    the process at once.
    """
    if processes > 1:
        from cli.processes.run import run_processes  # noqa: PLC0415 - see the module's head

        options = {"workers": workers, "from": start, "until-idle": until_idle, **given_flags(ctx)}
        run_processes(app_context(ctx), reactions, processes, options, until_idle=until_idle is not None)
        return
    from cli.run_consumers import run_consumers  # noqa: PLC0415 - see the module's head

    run_consumers(
        app_context(ctx, process=supervised_as),
        reactions,
        workers=workers,
        start=start,
        until_idle_s=until_idle,
        supervised=supervised_as is not None,
    )
