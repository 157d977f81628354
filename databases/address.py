"""Where a group's store is, and how to show that without a password. Pure.

A store is a SQLite file, or a schema in the PostgreSQL database that `CEV_DATABASE_URL` names (design §8).

Not here: connecting (`connect`).
"""

from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlsplit

from schemas.addresses import without_secrets

_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
_FILE = "sqlite:///"
_LONGEST = 63
"""Bytes of a PostgreSQL name. It truncates a longer one without an error, and groups could share a schema."""


@dataclass(frozen=True)
class StoreAddress:
    """A group's store.

    Attributes:
        url: `sqlite:///PATH`, or a PostgreSQL address as `postgres` returns it. It may hold a password: never
            print or log it; `str(address)` leaves the password out.
        group: the consumer group that owns it.
    """

    url: str = field(repr=False)
    group: str

    @classmethod
    def at(cls, group: str, *, data_dir: Path, database_url: str | None = None) -> "StoreAddress":
        """A group's store in a database, or as a file under the data directory.

        Raises:
            ValueError: `database_url` is no PostgreSQL address.
        """
        if database_url is not None:
            return cls(postgres(database_url), group)
        return cls(f"{_FILE}{data_dir / 'stores' / f'{group}.sqlite3'}", group)

    @property
    def path(self) -> Path | None:
        """The file; None if the store is a schema."""
        return Path(self.url.removeprefix(_FILE)) if self.url.startswith(_FILE) else None

    @cached_property
    def schema(self) -> str:
        """The PostgreSQL schema: `cev_` and the group, with _ for -."""
        name = f"cev_{self.group.replace('-', '_')}"
        if len(name.encode()) <= _LONGEST:
            return name
        digest = blake2b(self.group.encode(), digest_size=6).hexdigest()
        return f"{name.encode()[: _LONGEST - 13].decode('utf-8', 'ignore')}_{digest}"

    @cached_property
    def parameters(self) -> frozenset[str]:
        """Names of the connection parameters in the address's query."""
        return frozenset(key for key, _ in parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    def masked(self, text: object) -> str:
        """A database's message on one line, without the address's passwords."""
        return without_secrets(self.url, text)

    def __str__(self) -> str:
        """The file's path, or the schema's address without a password."""
        if self.path is not None:
            return str(self.path)
        parts = urlsplit(self.url)
        user, _, host = parts.netloc.rpartition("@")
        login = f"{user.partition(':')[0]}@" if user else ""
        return f"{parts.scheme}://{login}{host}{parts.path} schema {self.schema}"


def postgres(url: str) -> str:
    """A PostgreSQL address as libpq reads it.

    Args:
        url: begins with postgresql://, postgres:// or postgresql+psycopg://.

    Raises:
        ValueError: it is no such address; the message does not repeat it, because it may hold a password.
    """
    scheme, separator, rest = url.strip().partition("://")
    if not separator or scheme.lower() not in _SCHEMES:
        raise ValueError(
            "is no PostgreSQL address; it looks like postgresql://user:password@host:5432/database"
        )
    if any(char.isspace() or not char.isprintable() for char in rest):
        raise ValueError("has a space or a control character in it; write it %20, or as its other code")
    address = f"postgresql://{rest}"
    try:
        parts = urlsplit(address)
    except ValueError:
        # The message of `urlsplit` would repeat the address.
        raise ValueError("cannot be read: is a sign in it that must be escaped?") from None
    misread = parts.netloc.count("@") > 1 or ("@" not in parts.netloc and "@" in parts.path)
    if misread or parts.fragment or "#" in rest:
        raise ValueError("has a user or password with a sign that must be escaped: @ is %40, / %2F, # %23")
    if not _port_is_number(parts):
        raise ValueError("has a port that is no number from 0 to 65535")
    if not parts.path.strip("/") and "dbname" not in dict(parse_qsl(parts.query)):
        raise ValueError("names no database: it goes behind the host, postgresql://user@host:5432/database")
    return address


def _port_is_number(parts: SplitResult) -> bool:
    if "," in parts.netloc:
        return True  # several hosts, which only libpq can read
    try:
        parts.port  # noqa: B018 - reading it is the check
    except ValueError:
        return False
    return True
