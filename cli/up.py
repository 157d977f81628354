"""`cev up` and `cev down`: the embedded broker.

I/O: stdin and stderr, for the question before data is deleted.
"""

import sys
from typing import TYPE_CHECKING, Annotated, Self

import typer
from rich.progress import BarColumn, DownloadColumn, TextColumn
from rich.progress import Progress as Bar

from broker import embedded
from broker.progress import Step
from broker.running import Running
from cli import output, tables
from cli.common import app_for, command, settings
from cli.topics import create_all
from schemas.errors import UsageError

if TYPE_CHECKING:
    from cli.settings import Settings

_TOPICS_S = 30.0
"""How long the topics may take, in seconds, where the broker took almost all the time of a start."""

commands = typer.Typer(rich_markup_mode=None)


@command(
    commands,
    "up",
    examples=(
        "cev up",
        "cev up --registry",
        "cev up --brokers 3",
        "cev up --port 0 --json",
    ),
    cluster=False,
)
def up(
    ctx: typer.Context,
    *,
    brokers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=9,
            help="Brokers of a new cluster, 1 to 9; from 3 on, records are replicated.",
        ),
    ] = None,
    registry: Annotated[bool, typer.Option("--registry", help="Start a schema registry, too.")] = False,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            min=0,
            max=65535,
            help="Port of the first broker; 0 takes any free one. Without it, and with 0, it is the one that "
            "the cluster had before, if that is free; at first it is 9092.",
        ),
    ] = None,
    as_json: output.JsonFlag = False,
) -> None:
    """Start an embedded Apache Kafka and create the topics.

    It runs in the background; the command returns once it answers.
    """
    running = _start(settings(ctx), brokers=brokers, registry=registry, port=port)
    document = {
        "bootstrap": running.bootstrap,
        "registry": running.registry,
        "log": str(running.log),
        "data_dir": str(running.data_dir),
        "brokers": running.brokers,
    }
    if as_json:
        output.emit(document)
        return
    for name, value in document.items():
        output.console.print(f"[dim]{name:<10}[/dim]{tables.cell(value or 'none')}", soft_wrap=True)


def _start(config: "Settings", *, brokers: int | None, registry: bool, port: int | None) -> Running:
    """Start the cluster with its topics; where these cannot be made, what was started is ended again."""

    def create_topics(running: Running, seconds: float) -> None:
        addresses = {"bootstrap_servers": running.bootstrap, "schema_registry_url": running.registry}
        create_all(app_for(config.model_copy(update=addresses)), starting_s=max(seconds, _TOPICS_S))

    with _StartProgress() as report:
        running = embedded.up(
            config.data_dir,
            brokers=brokers,
            registry=registry,
            port=port,
            prepare=create_topics,
            report=report,
        )
    if report.stage != "ready":
        output.log.print("[dim]it runs already: nothing was started[/dim]")
    return running


@command(
    commands,
    "down",
    examples=(
        "cev down",
        "cev down --delete-data --yes",
    ),
    cluster=False,
)
def down(
    ctx: typer.Context,
    *,
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Delete the whole data directory.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
) -> None:
    """Stop the embedded broker.

    Its data is kept without --delete-data.
    """
    folder = settings(ctx).data_dir
    if delete_data and not yes:
        if not sys.stdin.isatty():
            raise UsageError("--delete-data asks before it deletes; off a terminal say --yes")
        typer.confirm(f"Remove everything in {folder}?", abort=True, err=True)
    stopped = embedded.down(folder, delete_data=delete_data)
    result = "stopped" if stopped else "nothing was running"
    output.log.print(f"{result}{'; data removed' if delete_data else ''}")


class _StartProgress:
    """Progress of a start: a bar on a terminal, a line per step elsewhere.

    Attributes:
        stage: the last one; `ready` where anything was started, empty where nothing had to be done.
    """

    def __init__(self) -> None:
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            console=output.log,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=None, visible=False)
        self.stage = ""

    def __enter__(self) -> Self:
        if output.log.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if output.log.is_terminal:  # elsewhere rich would print an empty line for a bar that was never there
            self._bar.stop()

    def __call__(self, step: Step) -> None:
        """Show one step."""
        if step.total and output.log.is_terminal:
            self._bar.update(
                self._task, description=step.text, completed=step.done, total=step.total, visible=True
            )
        elif step.stage != self.stage:
            self.stage = step.stage
            output.log.print(f"[dim]{tables.cell(step.text)}[/dim]", soft_wrap=True)
