"""What can go wrong with the embedded broker, as one line that a user can act on.

    BrokerError                 exit 1: the broker does not start (design §9)
    ├── ImpossibleRequestError  exit 2: a request that no data directory could fulfil
    ├── DifferentClusterError   the data directory holds a cluster of another size
    ├── DataDirError            not ours, not writable, full
    ├── BusyError               another `cev up` or `cev down` holds the data directory
    ├── PortInUseError          somebody listens where the broker should
    ├── ArtifactError           a jar cannot be had
    │   ├── DownloadError       no network, or it stalled
    │   └── TamperedError       fetched, and not what this version was built with
    ├── StartError              it died, or did not answer in time; with the end of its log
    │   └── VanishedError       one that was running already died while it was asked
    ├── StopError               it would not go
    └── NoClusterError          exit 3: nothing to connect to

Promise: `str(error)` starts with one whole sentence: what is wrong, where, what to do. Only StartError adds
lines below it.
Not here: anything that imports the rest of the project (`broker` stands alone).
"""


class BrokerError(Exception):
    """The embedded broker cannot do what was asked.

    `exit_code` is what `cev` ends with.
    """

    exit_code = 1


class ImpossibleRequestError(BrokerError):
    """The request itself is wrong: so many brokers, or such a port, cannot be had."""

    exit_code = 2


class DifferentClusterError(BrokerError):
    """The data directory holds a cluster of another number of brokers, and that number never changes."""


class DataDirError(BrokerError):
    """The data directory is not ours, cannot be written, or is full."""


class BusyError(BrokerError):
    """Another process has been working on the same directory for longer than we wait."""


class PortInUseError(BrokerError):
    """A port that the broker should listen on is taken."""


class ArtifactError(BrokerError):
    """A file of the Java side is not as it must be."""


class DownloadError(ArtifactError):
    """A file could not be fetched: no network, a proxy, a stalled transfer."""


class TamperedError(ArtifactError):
    """A file was fetched anew and still differs from the committed list: never started."""


class StartError(BrokerError):
    """A process died at its start or did not answer in time; the message ends with the end of its log."""


class VanishedError(StartError):
    """A process that was running before died while we asked it: look again, and start it anew."""


class StopError(BrokerError):
    """A process that we started could not be ended."""


class NoClusterError(BrokerError):
    """No bootstrap address was given and no broker of this data directory runs."""

    exit_code = 3
