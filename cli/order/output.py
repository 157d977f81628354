"""What `cev order` prints: lines for people, documents for programs."""

from typing import TYPE_CHECKING, Any

import typer

from cli import output
from cli.output import emit, safe, styled
from schemas.times import rfc3339

if TYPE_CHECKING:
    from producers.bulk.load_generator import LoadResult
    from producers.placing.pending_order import Placed
    from producers.placing.result_watch import Result


def document(placed: "Placed") -> dict[str, Any]:
    """An order as `--json` shows it; partition and offset are null where nothing was written."""
    return {
        "order_id": str(placed.order_id),
        "mode": placed.mode.value,
        "epoch": placed.epoch,
        "correlation_id": placed.correlation_id,
        "records": [
            {
                "topic": topic,
                "partition": partition if partition >= 0 else None,
                "offset": offset if offset >= 0 else None,
            }
            for topic, partition, offset in placed.records
        ],
    }


def print_placed_line(placed: "Placed") -> None:
    """An order for people: `12004  command  dispatch_products:3@17`."""
    records = "  ".join(
        f"{topic}{styled(':', dim=True)}{partition}{styled('@', dim=True)}{offset}" if offset >= 0 else topic
        for topic, partition, offset in placed.records
    )
    # Not through rich, which takes longer to load than the order takes.
    typer.echo(f"{styled(str(placed.order_id), bold=True)}  {placed.mode.value}  {records}")


def print_placed(
    placed: "Placed",
    *,
    as_json: bool,
    dry_run: bool = False,
    waited: "tuple[float, Result | None] | None" = None,
) -> None:
    """One order: what was placed, and what became of it if somebody waited."""
    if as_json:
        extra: dict[str, Any] = {"dry_run": True} if dry_run else {}
        if waited is not None:
            extra["result"] = _result(waited[1])
        emit({**document(placed), **extra})
    elif dry_run:
        print_placed_line(placed)
        typer.echo(styled("dry run: nothing was written", dim=True), err=True)
    elif waited is None:
        print_placed_line(placed)
    else:
        typer.echo(_outcome(placed.order_id, *waited))


def print_load(loaded: "LoadResult", *, seed: int, stopped_at: int | None, as_json: bool) -> None:
    """What came of a load.

    Args:
        loaded: the result.
        seed: what it was made with.
        stopped_at: how many orders it should have been, where somebody stopped it before the end.
        as_json: print one document.
    """
    if as_json:
        document: dict[str, Any] = {
            "placed": loaded.placed,
            "failed": loaded.failed,
            "seconds": round(loaded.seconds, 3),
            "modes": loaded.modes,
            "seed": seed,
        }
        emit(document | ({"stopped": True} if stopped_at is not None else {}))
        return
    pace = f", {loaded.placed / loaded.seconds:,.0f} a second" if loaded.seconds > 0 else ""
    modes = "  ".join(f"{mode} {count:,}" for mode, count in loaded.modes.items())
    failed = f", [red]{loaded.failed:,} failed[/red]" if loaded.failed else ""
    of_all = f" of {stopped_at:,}" if stopped_at is not None else ""
    line = f"[bold]{loaded.placed:,}[/bold]{of_all} placed{failed} in {loaded.seconds:.1f} s{pace}"
    output.console.print(f"{line}  [dim]seed {seed}[/dim]", soft_wrap=True)
    if modes:
        output.console.print(f"[dim]as[/dim] {modes}")


def _result(result: "Result | None") -> dict[str, Any] | None:
    if result is None:
        return None
    return {"type": result.type, "at": rfc3339(result.at), "reason": result.reason}


def _outcome(order_id: int, seconds: float, result: "Result | None") -> str:
    order = styled(str(order_id), bold=True)
    if result is None:
        return f"{order}  {styled(f'nothing heard of it in {seconds:g} s', fg='yellow')}"
    outcome = styled(result.type, fg="green" if result.good else "red")
    reason = "" if result.reason is None else f"  {safe(result.reason)}"
    return f"{order}  {outcome}  {styled(rfc3339(result.at), dim=True)}{reason}"
