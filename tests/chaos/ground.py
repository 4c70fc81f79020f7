"""On what does a run stand: which journal, and what may befall it?

Contract: `FileGround` is a SQLite file, `KafkaGround` an Apache Kafka of its own, reached through a proxy that can be cut; its topics are made
by who comes first. Either stands on a disk that can be filled.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.journal import CONTROL
from tests.interop.keeper_story import store_of
from tests.services.disk import SmallDisk
from tests.services.kafka import KafkaCluster
from tests.services.ports import HOST, free_ports
from tests.services.proxy import Proxy
from tests.services.waiting import wait_until

_DISK_BYTES = 128 * 1024 * 1024
_KAFKA_DISK_BYTES = 256 * 1024 * 1024
_SERVES_WITHIN_S = 180.0


class FileGround:
    """A SQLite file.

    Attributes:
        url: Where everybody finds it.
        disk: It stands there.
    """

    def __init__(self, folder: Path) -> None:
        self.disk = SmallDisk(folder / "disk", _DISK_BYTES)
        self.url = f"sqlite:///{self.disk.folder / 'tasks.db'}"

    def close(self) -> None:
        """Let go of the disk."""
        self.disk.close()


class KafkaGround:
    """A Kafka behind a network.

    Attributes:
        url: By way of the network.
        broker: The one node.
        network: Between everybody and the node.
        disk: The node's topics stand there.
    """

    def __init__(self, folder: Path) -> None:
        ports = free_ports(2)
        with contextlib.ExitStack() as opened:
            self.disk = SmallDisk(folder / "disk", _KAFKA_DISK_BYTES)
            opened.callback(self.disk.close)
            self.network = Proxy(ports[0])
            opened.callback(self.network.close)
            self._address = f"kafka://{HOST}:{self.network.port}"
            self.url = f"{self._address}/chaos"
            data = self.disk.folder / "data"
            properties = {"advertised.listeners": f"PLAINTEXT://{HOST}:{self.network.port}", "log.dirs": str(data)}
            self.broker = KafkaCluster(properties, ports=(ports[0], ports[1]), starts=False)
            opened.callback(self.broker.stop)
            shutil.copytree(self.broker.folder / "data", data)  # Formatted.
            self.start()
            self._opened = opened.pop_all()

    def start(self) -> None:
        """Start the node, also again, and wait until it takes appends, which is later than that its port answers."""
        self.broker.start()
        wait_until(self._takes_appends, "Kafka takes appends", _SERVES_WITHIN_S)

    def _takes_appends(self) -> bool:
        try:
            store = store_of(f"{self._address}/probe")
        except BrokerUnavailableError:
            return False
        try:
            store.open(CONTROL).append(b"probe")
        except BrokerUnavailableError:
            return False
        finally:
            store.close()
        return True

    def close(self) -> None:
        """End all."""
        self._opened.close()


Ground = FileGround | KafkaGround
