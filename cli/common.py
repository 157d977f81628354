"""What every command shares: the flags that find the cluster, the settings they lead to, and how errors end.

I/O: stderr, for the one line of an error.
"""

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer

from cli import logs, output
from cli.help import CLUSTER, CommandWithHelp, GroupWithHelp
from cli.start import INTERRUPTED
from cli.version import VersionFlag
from clients.log import Log

if TYPE_CHECKING:
    from cli.settings import Loaded, Settings
    from clients.config import Cluster
    from databases.address import StoreAddress
    from schemas.codec import Codec
    from schemas.registry import Registry

P = ParamSpec("P")
R = TypeVar("R")

_UNREACHABLE = 3


def _common_flags(*, cluster: bool, logs_events: bool) -> dict[str, Any]:
    def flag(metavar: str, text: str, panel: str | None, *, shown: bool) -> Any:
        return Annotated[
            str | None, typer.Option(metavar=metavar, help=text, rich_help_panel=panel, hidden=not shown)
        ]

    level = "Lowest level that is logged on stderr: debug, info, warning or error."
    return {
        "log_level": flag("LEVEL", level, None, shown=logs_events),
        "bootstrap_servers": flag("HOST:PORT", "Kafka brokers, comma-separated.", CLUSTER, shown=cluster),
        "schema_registry_url": flag("URL", "Confluent-compatible schema registry.", CLUSTER, shown=cluster),
    }


def new_group(text: str) -> typer.Typer:
    """A group of commands with its help and `--version`, ready for `command`."""
    group = typer.Typer(cls=GroupWithHelp, help=text, no_args_is_help=True, rich_markup_mode=None)

    @group.callback()
    def _group(*, version: VersionFlag = False) -> None:
        del version

    return group


def command(
    group: typer.Typer, name: str, *, examples: Sequence[str], cluster: bool = True, logs_events: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register a command with what all commands have: cluster flags, examples, errors as one line.

    The function's first parameter must be `ctx: typer.Context`. The flags `--bootstrap-servers`,
    `--schema-registry-url` and `--log-level` are added to its signature and kept in the context for
    `app_context`, and `--version`. Any error with an `exit_code` ends the process with it, after one line on
    stderr.

    Args:
        group: the group that the command belongs to.
        name: the command's word.
        examples: two to four lines that a reader can type; a test runs one of them, and parses the others.
        cluster: whether the command talks to the cluster; otherwise its help does not show the flags, which
            it takes all the same (design §9).
        logs_events: whether the command runs long enough to log; the same goes for its flag.
    """
    flags = _common_flags(cluster=cluster, logs_events=logs_events)

    def register(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> R:
            ctx: typer.Context = kwargs["ctx"]
            ctx.meta["cev.flags"] = {flag: kwargs.pop(flag) for flag in flags}
            kwargs.pop("version")
            return _exit_on_error(lambda: function(*args, **kwargs))

        run.__signature__ = _with_flags(function, flags)  # type: ignore[attr-defined]  # inspect's own hook
        run.__annotations__ = {p.name: p.annotation for p in inspect.signature(run).parameters.values()}
        group.command(name, cls=CommandWithHelp, epilog="\n".join(examples))(run)
        return function

    return register


def _with_flags(function: Callable[..., Any], flags: dict[str, Any]) -> inspect.Signature:
    def keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

    signature = inspect.signature(function, eval_str=True)
    own = [keyword(p.name, p.annotation, p.default) for p in signature.parameters.values()]
    added = [keyword(name, annotation, None) for name, annotation in flags.items()]
    return signature.replace(parameters=[*own, *added, keyword("version", VersionFlag, default=False)])


def _exit_on_error(call: Callable[[], R]) -> R:
    try:
        return call()
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        ending = _ending_of(error)
        if ending is None:
            raise
        code, message = ending
        print_error(message, code)
        raise typer.Exit(code) from error


def _ending_of(error: Exception) -> tuple[int, str] | None:
    """Exit code and message; None for what is no error of ours, such as the end of the program itself."""
    if isinstance(error, typer.Exit):
        return None
    code = getattr(error, "exit_code", None)
    if isinstance(code, int):
        return code, str(error)
    from confluent_kafka import KafkaException  # noqa: PLC0415 - only to recognise what it raised

    if isinstance(error, KafkaException):
        return _UNREACHABLE, f"Kafka did not do it: {error.args[0]}"
    return None


def print_error(message: str, code: int) -> None:
    """Say why the command ends with this exit code: one line on stderr."""
    sys.stdout.flush()
    if logs.is_for_programs():
        Log().error("failed", why=message, exit_code=code)
        return
    text = message if "\n" in message else output.safe(message)
    sys.stderr.write(f"cev: {text}\n")


@dataclass(frozen=True)
class AppContext:
    """Settings and the cluster they lead to: what a command works with."""

    settings: "Settings"
    cluster: "Cluster"

    @property
    def data_dir(self) -> Path:
        """Where everything local lives."""
        return self.settings.data_dir

    @cached_property
    def codec(self) -> "Codec":
        """A codec that writes with the registry if there is one."""
        from schemas.codec import Codec  # noqa: PLC0415 - Avro, for the commands that read or write records

        return Codec(self.registry)

    @cached_property
    def registry(self) -> "Registry | None":
        """The schema registry, or None where none is configured."""
        cluster = self.cluster
        if cluster.registry is None:
            return None
        from schemas.registry import Registry  # noqa: PLC0415 - the same, and only with a registry

        return Registry(cluster.registry, cluster.registry_user, cluster.registry_password)

    def store(self, group: str) -> "StoreAddress":
        """A group's store."""
        return store_of(group, self.settings)


def given_flags(ctx: typer.Context) -> dict[str, str | None]:
    """The flags that every command has, as the command line writes them; None for one that was not given."""
    return {name.replace("_", "-"): value for name, value in ctx.meta.get("cev.flags", {}).items()}


def loaded(ctx: typer.Context, *, process: int | None = None) -> "Loaded":
    """All settings with their sources; looks for no cluster.

    Args:
        ctx: of the command.
        process: number of this process, as in `logs.to_stderr`.

    Raises:
        InvalidSetting: one line that names every fault (exit 2).
    """
    from cli.settings import load  # noqa: PLC0415 - pydantic: help and completion need no settings

    everything = load(ctx.meta.get("cev.flags", {}))
    chosen = everything.settings
    library = not {"debug", "log_level"}.isdisjoint(chosen.kafka)
    logs.to_stderr(chosen.log_level, chosen.log_format, library=library, process=process)
    return everything


def settings(ctx: typer.Context) -> "Settings":
    """All settings; looks for no cluster. Raises as `loaded` does."""
    return loaded(ctx).settings


def app_context(ctx: typer.Context, *, process: int | None = None) -> AppContext:
    """Settings and the cluster: flag, environment, file, or a running `cev up` of the same data directory.

    Args:
        ctx: of the command.
        process: number of this process, as in `logs.to_stderr`.

    Raises:
        InvalidSetting: a setting is wrong (exit 2).
        NoClusterError: none of them names a cluster; the message says how to start one (exit 3).
        BrokerUnreachable: the name of no broker's host is known (exit 3).
    """
    return app_for(loaded(ctx, process=process).settings)


def store_of(group: str, settings: "Settings") -> "StoreAddress":
    """A group's store: in the database that the settings name, or under the data directory."""
    from databases.address import StoreAddress  # noqa: PLC0415 - with the settings

    url = settings.database_url
    return StoreAddress.at(
        group, data_dir=settings.data_dir, database_url=url.get_secret_value() if url else None
    )


def app_for(settings: "Settings") -> AppContext:
    """The context that these settings lead to; raises as `app_context` does."""
    from broker.discovery import find  # noqa: PLC0415 - with the settings
    from clients.config import Cluster  # noqa: PLC0415 - the same
    from clients.hosts import require_known_host  # noqa: PLC0415 - the same

    address = find(
        settings.data_dir,
        bootstrap_servers=settings.bootstrap_servers,
        registry_url=settings.schema_registry_url,
    )
    if address.source == "settings":
        require_known_host(address.bootstrap)
    password = settings.schema_registry_password
    return AppContext(
        settings,
        Cluster(
            bootstrap=address.bootstrap,
            registry=address.registry,
            registry_user=settings.schema_registry_user,
            registry_password=password.get_secret_value() if password else None,
            kafka=settings.kafka,
            group_protocol=settings.group_protocol,
        ),
    )
