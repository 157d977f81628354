"""What every command shares: the flags that find the cluster, the world they open, and how errors end.

I/O: stderr, for the one line of an error.
"""

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from confluent_kafka import KafkaException

from broker.discovery import find
from cli import logs
from cli.output import log, safe
from cli.settings import Loaded, Settings, load
from cli.start import INTERRUPTED
from cli.version import VersionFlag
from clients.config import Cluster
from databases.address import StoreAddress
from schemas.codec import Codec
from schemas.registry import Registry

P = ParamSpec("P")
R = TypeVar("R")

_PANEL = "Cluster"
_FLAGS = {
    "bootstrap_servers": Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Kafka brokers, comma-separated.", rich_help_panel=_PANEL),
    ],
    "schema_registry_url": Annotated[
        str | None,
        typer.Option(metavar="URL", help="Confluent-compatible schema registry.", rich_help_panel=_PANEL),
    ],
}
_UNREACHABLE = 3


def command(app: typer.Typer, name: str, *, example: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register a command with what all commands have: cluster flags, an example, errors as one line.

    The function's first parameter must be `ctx: typer.Context`. The flags `--bootstrap-servers` and
    `--schema-registry-url` are added to its signature and kept in the context for `world`, and `--version`.
    Any error with an `exit_code` ends the process with it, after one line on stderr.

    Args:
        app: the group that the command belongs to.
        name: the command's word.
        example: a line that a reader can type; a test runs it.
    """

    def register(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> R:
            ctx: typer.Context = kwargs["ctx"]
            ctx.meta["cev.flags"] = {flag: kwargs.pop(flag) for flag in _FLAGS}
            kwargs.pop("version")
            logs.to_stderr()
            return _ending(lambda: function(*args, **kwargs))

        signature = inspect.signature(function, eval_str=True)
        flags = [
            inspect.Parameter(flag, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for flag, annotation in _FLAGS.items()
        ]
        version = inspect.Parameter(
            "version", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=VersionFlag
        )
        flags.append(version)
        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in signature.parameters.values()]
        run.__signature__ = signature.replace(parameters=[*parameters, *flags])  # type: ignore[attr-defined]  # inspect's own hook
        run.__annotations__ = {p.name: p.annotation for p in (*parameters, *flags)}
        app.command(name, epilog=f"Example: {example}")(run)
        return function

    return register


def _ending(call: Callable[[], R]) -> R:
    try:
        return call()
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except KafkaException as error:
        _say(f"Kafka did not do it: {error.args[0]}")
        raise typer.Exit(_UNREACHABLE) from error
    except Exception as error:
        code = getattr(error, "exit_code", None)
        if not isinstance(code, int) or isinstance(error, typer.Exit):
            raise
        _say(str(error))
        raise typer.Exit(code) from error


def _say(message: str) -> None:
    sys.stdout.flush()
    log.print(
        f"cev: {safe(message)}" if "\n" not in message else f"cev: {message}", markup=False, soft_wrap=True
    )


@dataclass(frozen=True)
class AppContext:
    """Settings and the cluster they lead to: what a command works with."""

    settings: Settings
    cluster: Cluster

    @property
    def data_dir(self) -> Path:
        """Where everything local lives."""
        return self.settings.data_dir

    @cached_property
    def codec(self) -> Codec:
        """A codec that writes with the registry if there is one."""
        return Codec(self.registry)

    @cached_property
    def registry(self) -> Registry | None:
        """The schema registry, or None where none is configured."""
        cluster = self.cluster
        if cluster.registry is None:
            return None
        return Registry(cluster.registry, cluster.registry_user, cluster.registry_password)

    def store(self, group: str) -> StoreAddress:
        """A group's store."""
        return store_of(group, self.settings)


def loaded(ctx: typer.Context) -> Loaded:
    """All settings with their sources; looks for no cluster."""
    return load(ctx.meta.get("cev.flags", {}))


def settings(ctx: typer.Context) -> Settings:
    """All settings; looks for no cluster."""
    return loaded(ctx).settings


def world(ctx: typer.Context) -> AppContext:
    """Settings and the cluster: flag, environment, file, or a running `cev up` of the same data directory.

    Raises:
        NoCluster: none of them names one; the message says how to start one (exit 3).
    """
    return open_world(settings(ctx))


def store_of(group: str, chosen: Settings) -> StoreAddress:
    """A group's store: in the database that the settings name, or under the data directory."""
    url = chosen.database_url
    return StoreAddress.at(
        group, data_dir=chosen.data_dir, database_url=url.get_secret_value() if url else None
    )


def open_world(chosen: Settings) -> AppContext:
    """The world that these settings lead to; raises as `world` does."""
    found = find(
        chosen.data_dir, bootstrap_servers=chosen.bootstrap_servers, registry_url=chosen.schema_registry_url
    )
    password = chosen.schema_registry_password
    return AppContext(
        chosen,
        Cluster(
            bootstrap=found.bootstrap,
            registry=found.registry,
            registry_user=chosen.schema_registry_user,
            registry_password=password.get_secret_value() if password else None,
            kafka=chosen.kafka,
            group_protocol=chosen.group_protocol,
        ),
    )
