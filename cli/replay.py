"""`cev replay`: a reaction's states, built anew from the log."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from cli import output, tables
from cli.common import app_context, command
from cli.completion import reaction_names
from consumers.registry import named
from operations.replay.replay import Replay, replay
from schemas.counting import counted

commands = typer.Typer(rich_markup_mode=None)


@command(
    commands,
    "replay",
    examples=("cev replay tracking", "cev replay tracking --dry-run --json"),
)
def replay_states(
    ctx: typer.Context,
    reaction: Annotated[
        str, typer.Argument(metavar="REACTION", help="Whose states.", autocompletion=reaction_names)
    ],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare, and change nothing.")] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Swap although records that the states came from were removed.")
    ] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Build a reaction's states anew from its topics, compare them with the old ones, and swap them.

    The reaction must not run. Until the swap nothing is changed, and the swap is one transaction. Only a
    reaction that keeps states and does nothing else can be replayed, so no mail goes out again.
    """
    app = app_context(ctx)
    chosen = named(reaction)
    with _progress() as report:
        result = replay(
            app.cluster,
            app.codec,
            chosen,
            app.store(chosen.name),
            dry_run=dry_run,
            forget=forget,
            report=report,
        )
    if as_json:
        differences = [
            {"order_id": str(order_id), "before": before, "after": after}
            for order_id, before, after in result.differences
        ]
        output.emit({"group": chosen.name, **result._asdict(), "differences": differences})
    else:
        _print(chosen.name, result)


def _print(group: str, result: Replay) -> None:
    if result.differences:
        table = tables.new_table("order", "before", "after", right=("order",))
        for order_id, before, after in result.differences:
            table.add_row(str(order_id), before or "-", after or "-")
        tables.print_table(table)
        if result.differing > len(result.differences):
            output.console.print(f"and {result.differing - len(result.differences):,} more", style="dim")
    output.console.print(
        f"{group}: {counted(result.records, 'record')}, {counted(result.orders, 'order')}, "
        f"{result.differing:,} differ; {'swapped' if result.swapped else 'nothing was changed'}",
        soft_wrap=True,
    )


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    if not output.log.is_terminal:
        yield lambda _count: None
        return
    with output.log.status("reading") as status:
        yield lambda count: status.update(f"{counted(count, 'record')} read")
