"""How an address is shown, and what others say about one, without its secrets. Pure.

Every address that a person, a log or a record may come to see passes through here: a URL may hold a password
or a token as its user, and a gateway's path or query may be its key.

Not here: whether an address can be used.
"""

import re
from contextlib import suppress
from urllib.parse import parse_qsl, unquote, urlsplit

MASK = "********"
_SECRET_PARAMETERS = ("password", "sslpassword")
_HTTP = ("http://", "https://")
# The last @ ends the user's part: a password that should have been escaped may hold anything else.
_URL = re.compile(
    r"(?P<scheme>[^:/]+://)(?:(?P<user>[^:@/]*)(?P<password>:.*)?@)?(?P<host>[^/?#@]*)(?P<rest>.*)", re.DOTALL
)


def shown(url: str, *, with_path: bool = False) -> str:
    """An address with its secrets masked; what is no URL is masked as a whole.

    Args:
        url: the address.
        with_path: whether the path stays. A gateway's may be a token; a registry's says which API.
    """
    parts = _URL.fullmatch(url)
    if parts is None:
        return MASK
    user = ""
    if parts["user"] is not None:
        # A lone user part may be a token.
        user = f"{parts['user']}:{MASK}@" if parts["password"] else f"{MASK}@"
    return f"{parts['scheme']}{user}{parts['host']}{_shown_rest(parts['rest'], with_path=with_path)}"


def _shown_rest(rest: str, *, with_path: bool) -> str:
    if not rest.strip("/"):
        return rest
    # An @ here is the user of a further address in a list.
    if not with_path or "@" in rest:
        return f"/{MASK}"
    path, separator, _ = rest.partition("?")
    return f"{path}?{MASK}" if separator else path


def without_secrets(url: str, text: object, *, with_path: bool = True) -> str:
    """What a server or a client says, on one line, without the secrets of the address `url`.

    Args:
        url: the address that it is about.
        text: what is said, e.g. an error.
        with_path: whether the address's path may stay, as for `shown`.
    """
    line = " ".join(str(text).split())
    secrets = _secrets(url, with_path=with_path)
    secrets |= {unquote(secret) for secret in secrets}
    for secret in sorted(secrets - {"", "/"}, key=len, reverse=True):
        line = line.replace(secret, MASK)
    return line


def names_user(url: str) -> bool:
    """Whether an address, or one of several with commas between, has a user's part."""
    parts = _URL.fullmatch(url)
    return parts is not None and (parts["user"] is not None or "@" in parts["rest"])


def without_user(url: str) -> tuple[str, str | None]:
    """An address without its user's part, for a client that would show it, and `user:password`.

    The second is None where the address names no user, or is a list, or cannot be taken apart.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return url, None
    login, _, host = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    # Basic authentication has no way to write a user with a colon (RFC 7617 §2).
    if not login or "," in url or ":" in unquote(user):
        return url, None
    return parts._replace(netloc=host).geturl(), f"{unquote(user)}:{unquote(password)}"


def _secrets(url: str, *, with_path: bool) -> set[str]:
    parts = _URL.fullmatch(url)
    if parts is None:
        return {url}
    password = (parts["password"] or "")[1:]
    # Clients repeat parts of a password that should have been escaped: "Invalid port".
    secrets = {password, *re.split("[/?#@]", password)}
    query = parts["rest"].partition("?")[2]
    secrets |= {value for key, value in parse_qsl(query) if key in _SECRET_PARAMETERS}
    if url.lower().startswith(_HTTP):
        # A user without a password may be a token.
        secrets |= {query} | (set() if password else {parts["user"] or ""})
    # What a client reads as the password, where an @ follows in the query.
    with suppress(ValueError):
        secrets.add(urlsplit(url).netloc.rpartition("@")[0].partition(":")[2])
    if not with_path or "@" in parts["rest"]:
        secrets |= {parts["rest"], parts["rest"].strip("/")}
    return secrets
