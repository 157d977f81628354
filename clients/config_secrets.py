"""Which of librdkafka's settings are secrets, and how a value is shown. Pure."""

import re

from schemas.addresses import MASK, shown

_SECRET_WORDS = ("pass", "secret", "token", "credential", "jaas", "user.info", "key.pem", "keystore.key")
_SECURITY = ("sasl.", "ssl.")
# A name that is not here may be a spelling of a password (`sasl.pasword`, Java's `sasl.jaas.config`).
_NO_SECRETS = re.compile(
    r"sasl\.(mechanisms?|username|kerberos\.(service\.name|principal|keytab|min\.time\.before\.relogin))"
    r"|sasl\.oauthbearer\.(method|scope|client\.id)"
    r"|ssl\.(ca|certificate|key|keystore|crl|truststore)\.location"
    r"|ssl\.(cipher\.suites|curves\.list|sigalgs\.list|providers|ca\.certificate\.stores)"
    r"|ssl\.(endpoint\.identification\.algorithm|protocol|enabled\.protocols)"
)


def is_secret(key: str) -> bool:
    """Whether a setting of this name may hold a secret, however the name is spelled."""
    if key.startswith(_SECURITY) and not _NO_SECRETS.fullmatch(key):
        return True
    return any(word in key.lower() for word in _SECRET_WORDS)


def shown_value(key: str, value: str) -> str:
    """A setting's value as text that may be shown."""
    if is_secret(key):
        return MASK
    return shown(value, with_path=True) if "://" in value else value
