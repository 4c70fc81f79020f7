"""How does a test get a broker on the Kafka API that is no Apache Kafka?

Contract: franz-go's kfake, one broker in memory on a free loopback port, started by the constructor; or an old one: with `release` it
knows no request that this release of Apache Kafka did not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.services import golang
from tests.services.ports import free_ports
from tests.services.process import Process


class KfakeCluster(Process):
    """One kfake.

    Args:
        release: Of Apache Kafka, as "2.3"; the newest when left out.

    Attributes:
        bootstrap: "127.0.0.1:<port>".
    """

    name = "kfake"

    def __init__(self, release: str = "") -> None:
        self._binary = golang.build("kfake")
        self.release = release
        super().__init__(free_ports(1)[0])
        self.bootstrap = self.addr
        self.start()

    def command(self) -> Sequence[str | Path]:
        """Return its command line."""
        return [self._binary, "-port", str(self.port), "-release", self.release]
