"""What `cev order` prints: lines for people, documents for programs."""

from typing import Any

from rich.markup import escape

from cli.output import console, emit, log, safe
from producers.bulk.load_generator import LoadResult
from producers.placing.pending_order import Placed
from producers.placing.result_watch import Result
from schemas.times import rfc3339


def document(placed: Placed) -> dict[str, Any]:
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


def placed_line(placed: Placed) -> None:
    """An order for people: `12004  command  dispatch_products:3@17`."""
    where = "  ".join(
        f"{topic}[dim]:[/dim]{partition}[dim]@[/dim]{offset}" if offset >= 0 else topic
        for topic, partition, offset in placed.records
    )
    console.print(f"[bold]{placed.order_id}[/bold]  {placed.mode.value}  {where}", soft_wrap=True)


def print_placed(
    placed: Placed,
    *,
    as_json: bool,
    dry_run: bool = False,
    waited: tuple[float, Result | None] | None = None,
) -> None:
    """One order: what was placed, and what became of it if somebody waited."""
    if as_json:
        extra: dict[str, Any] = {"dry_run": True} if dry_run else {}
        if waited is not None:
            extra["result"] = _result(waited[1])
        emit({**document(placed), **extra})
    elif dry_run:
        placed_line(placed)
        log.print("[dim]dry run: nothing was written[/dim]")
    elif waited is None:
        placed_line(placed)
    else:
        console.print(_became(placed.order_id, *waited), soft_wrap=True)


def print_load(loaded: LoadResult, *, seed: int, as_json: bool) -> None:
    """What came of a load."""
    if as_json:
        emit(
            {
                "placed": loaded.placed,
                "failed": loaded.failed,
                "seconds": round(loaded.seconds, 3),
                "modes": loaded.modes,
                "seed": seed,
            }
        )
        return
    pace = f", {loaded.placed / loaded.seconds:,.0f} a second" if loaded.seconds > 0 else ""
    modes = "  ".join(f"{mode} {count:,}" for mode, count in loaded.modes.items())
    failed = f", [red]{loaded.failed:,} failed[/red]" if loaded.failed else ""
    told = f"[bold]{loaded.placed:,}[/bold] placed{failed} in {loaded.seconds:.1f} s{pace}"
    console.print(f"{told}  [dim]seed {seed}[/dim]", soft_wrap=True)
    if modes:
        console.print(f"[dim]as[/dim] {modes}")


def _result(result: Result | None) -> dict[str, Any] | None:
    if result is None:
        return None
    return {"type": result.type, "at": rfc3339(result.at), "reason": result.reason}


def _became(order_id: int, seconds: float, result: Result | None) -> str:
    if result is None:
        return f"[bold]{order_id}[/bold]  [yellow]nothing heard of it in {seconds:g} s[/yellow]"
    colour = "green" if result.good else "red"
    told = f"[bold]{order_id}[/bold]  [{colour}]{result.type}[/{colour}]  [dim]{rfc3339(result.at)}[/dim]"
    return told if result.reason is None else f"{told}  {escape(safe(result.reason))}"
