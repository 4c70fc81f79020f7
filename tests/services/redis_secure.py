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
        shown = certificate or certificates.server
        super().__init__(
            *tls_options(certificates, shown, asks_clients=asks_clients), "--tls-port", str(self.tls_port), *options
        )


def tls_options(certificates: Certificates, certificate: Path, *, asks_clients: bool = False) -> list[str]:
    """Return the options of a Redis that speaks TLS with this certificate."""
    files = {
        "--tls-cert-file": certificate,
        "--tls-key-file": certificate.with_suffix(".key"),
        "--tls-ca-cert-file": certificates.ca,
    }
    given = [str(part) for pair in files.items() for part in pair]
    return [*given, "--tls-auth-clients", "yes" if asks_clients else "no"]
