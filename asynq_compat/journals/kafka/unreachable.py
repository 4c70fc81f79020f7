"""Why does a cluster not answer?

Contract: asks the addresses themselves, since the client library says nothing but that time is up. The answer names addresses and
causes, never a password.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

_PROBE_TIMEOUT_S = 1.0


def why_unreachable(addresses: Sequence[str]) -> str:
    """Return one cause for each "host:port"."""
    return "; ".join(f"{address}: {_cause(address)}" for address in addresses)


def _cause(address: str) -> str:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PROBE_TIMEOUT_S):
            return "takes connections but does not answer as a Kafka broker; is this its port, does it expect TLS or a login?"
    except socket.gaierror as error:
        return f"the name is not known ({error.strerror})"
    except (UnicodeError, OverflowError):
        return "that is no host and port"
    except TimeoutError:
        return "no answer to a connection attempt"
    except OSError as error:
        return (error.strerror or str(error)).lower()
