"""How does a test get a Redis that is watched, and may lose its master?

Contract: one master, one replica, three sentinels, each a process of ours; ready when the sentinels know each other and the replica.
A master that does not answer for two seconds is replaced: on a machine that others use, one would be too few.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import redis

from tests.services.certificates import Certificates
from tests.services.ports import HOST, free_ports
from tests.services.process import Process
from tests.services.redis import RedisServer, install
from tests.services.redis_secure import tls_files
from tests.services.waiting import wait_until

MASTER_NAME = "mymaster"
PASSWORD, SENTINEL_PASSWORD = "m4ster-pw", "s3ntinel-pw"
_READY_WITHIN_S = 60.0


class _Sentinel(Process):
    """One sentinel; it keeps what it knows in its file."""

    name = "sentinel"

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__(free_ports(1)[0])
        port = "tls-port" if any(line.startswith("tls-") for line in lines) else "port"
        self._lines = [*(["port 0"] if port == "tls-port" else []), f"{port} {self.port}", f"bind {HOST}", *lines]
        (self.folder / "sentinel.conf").write_text("\n".join(self._lines) + "\n")
        self.start()

    def command(self) -> Sequence[str | Path]:
        """Return the sentinel's command line."""
        return [install(), "sentinel.conf", "--sentinel"]


class _Watched(RedisServer):
    """A master or a replica, without TLS or with nothing else."""

    def command(self) -> Sequence[str | Path]:
        """Return the server's command line."""
        given = list(super().command())
        return [*given, "--port", "0", "--tls-port", str(self.port)] if "--tls-replication" in given else given


class SentinelSet:
    """One master, one replica, three sentinels.

    Attributes:
        addrs: Of the sentinels.
        master, replica: The servers that had these roles at the start.
    """

    def __init__(
        self,
        certificates: Certificates | None = None,
        *master_options: str,
        has_passwords: bool = False,
        is_lasting: bool = False,
    ) -> None:
        """Start them.

        Args:
            certificates: Where all of them speak TLS; None: none does.
            master_options: More of the first master's command line.
            is_lasting: The master is to stay, however busy the machine is.
            has_passwords: The servers ask for `PASSWORD`, the sentinels for `SENTINEL_PASSWORD`.
        """
        self._certificates = certificates
        self._down_after_ms = 120_000 if is_lasting else 2_000
        self._password = PASSWORD if has_passwords else None
        login = ["--requirepass", PASSWORD, "--masterauth", PASSWORD] if has_passwords else []
        tls = [*_options(tls_files(certificates)), "--tls-replication", "yes"] if certificates else []
        common = ["--repl-diskless-sync-delay", "0", *login, *tls]
        self.master = _Watched(*common, *master_options)
        self.replica = _Watched(*common, "--replicaof", HOST, str(self.master.port))
        self._until(lambda: self.info(self.replica).get("master_link_status") == "up", "the replica to follow")
        self.sentinels = [_Sentinel(self._lines()) for _ in range(3)]
        self.addrs = [sentinel.addr for sentinel in self.sentinels]
        self._until(
            lambda: all(map(self._is_ready, self.sentinels)), "the sentinels to know each other and the replica"
        )

    def _lines(self) -> list[str]:
        login = [f"sentinel auth-pass {MASTER_NAME} {PASSWORD}"] if self._password else []
        own = [f"requirepass {SENTINEL_PASSWORD}", f"sentinel sentinel-pass {SENTINEL_PASSWORD}"] if login else []
        tls = tls_files(self._certificates) if self._certificates else {}
        return [
            *(f"{name} {value}" for name, value in tls.items()),
            *(["tls-replication yes"] if tls else []),
            *own,
            f"sentinel monitor {MASTER_NAME} {HOST} {self.master.port} 2",
            *login,
            f"sentinel down-after-milliseconds {MASTER_NAME} {self._down_after_ms}",
            f"sentinel failover-timeout {MASTER_NAME} 5000",
        ]

    def connect(self, server: Process) -> redis.Redis:
        """Return a client of one of the processes."""
        ca = str(self._certificates.ca) if self._certificates else None
        is_sentinel = server not in {self.master, self.replica}
        password = (SENTINEL_PASSWORD if is_sentinel else PASSWORD) if self._password else None
        return redis.Redis(HOST, server.port, password=password, ssl=ca is not None, ssl_ca_certs=ca)

    def info(self, server: Process) -> dict[str, object]:
        """Return what one of them says about replication."""
        with self.connect(server) as client:
            found: dict[str, object] = client.info("replication")
        return found

    def _is_ready(self, sentinel: _Sentinel) -> bool:
        with self.connect(sentinel) as client:
            (watched,) = client.sentinel_masters().values()
        return bool(watched["num-slaves"] == 1 and watched["num-other-sentinels"] == 2)

    def _until(self, condition: Callable[[], object], what: str) -> None:
        wait_until(condition, what, _READY_WITHIN_S)

    def stop(self) -> None:
        """Kill all and remove their folders. Legal twice."""
        for each in (*self.sentinels, self.replica, self.master):
            each.stop()


def _options(lines: dict[str, str]) -> list[str]:
    return [part for name, value in lines.items() for part in (f"--{name}", value)]
