"""How does a test get a Redis that asks who is there?

Contract: `SecureRedis` listens without TLS, with TLS, and with TLS that asks for a client's certificate; its users are those that a test makes.
"""

from __future__ import annotations

from pathlib import Path

from tests.services.certificates import Certificates
from tests.services.ports import HOST, free_ports
from tests.services.redis import RedisServer


class SecureRedis(RedisServer):
    """A Redis with TLS.

    Attributes:
        tls_port, tls_addr: Where it speaks TLS.
    """

    def __init__(
        self, certificates: Certificates, certificate: Path | None = None, *options: str, asks_clients: bool = False
    ) -> None:
        """Start it.

        Args:
            certificates: What it trusts.
            certificate: What it shows; its key is beside it. None: one for 127.0.0.1.
            options: More of the command line.
            asks_clients: Only who shows a certificate of the authority comes in.
        """
        (self.tls_port,) = free_ports(1)
        self.tls_addr = f"{HOST}:{self.tls_port}"
        settings = {**tls_files(certificates, certificate), **({"tls-auth-clients": "yes"} if asks_clients else {})}
        given = [part for name, value in settings.items() for part in (f"--{name}", value)]
        super().__init__("--tls-port", str(self.tls_port), *given, *options)


def tls_files(certificates: Certificates, certificate: Path | None = None) -> dict[str, str]:
    """Return the settings of a Redis that speaks TLS with this certificate, or one for 127.0.0.1, and asks nobody for one."""
    shown = certificate or certificates.server
    return {
        "tls-cert-file": str(shown),
        "tls-key-file": str(shown.with_suffix(".key")),
        "tls-ca-cert-file": str(certificates.ca),
        "tls-auth-clients": "no",
    }
