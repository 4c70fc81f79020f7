"""On what does a run on Redis stand, and who works there?

Contract: a Redis of its own whose every write is on the disk before it is answered, reached through a proxy; a producer and a worker of each
language, and one worker more. Go's name beside ours: whoever can, takes any task.
"""

from __future__ import annotations

import sys
from pathlib import Path

import redis

from tests.chaos.fleet import Crew
from tests.services.golang import build
from tests.services.ports import HOST
from tests.services.proxy import Proxy
from tests.services.redis import RedisServer
from tests.services.waiting import wait_until

_LOADED_WITHIN_S = 120.0


class RedisGround:
    """A Redis behind a network.

    Attributes:
        url: By way of the network.
        server: The Redis.
        network: Between everybody and the server.
        operator: A connection of the operator's, past the network.
    """

    def __init__(self) -> None:
        self.server = RedisServer(durable=True)
        self.network = Proxy(self.server.port)
        self.url = f"redis://{HOST}:{self.network.port}"
        self.operator = redis.Redis(port=self.server.port, decode_responses=True, encoding_errors="replace")

    def start(self) -> None:
        """Start the server again and wait until it has its data in memory."""
        self.server.start()
        wait_until(self._answers, "Redis has loaded its data", _LOADED_WITHIN_S)

    def _answers(self) -> bool:
        try:
            return bool(self.operator.ping())
        except redis.ConnectionError:  # Of it is also what Redis answers while it loads.
            return False

    def close(self) -> None:
        """End all."""
        self.operator.close()
        self.network.close()
        self.server.stop()


def crew() -> Crew:
    """Return who produces and works."""
    go: Path = build("chaos")
    worker = (sys.executable, "-m", "tests.chaos.on_redis.work")
    return {
        "producer-1": (sys.executable, "-m", "tests.chaos.on_redis.produce"),
        "producer-2-go": (go, "produce"),
        "worker-1": (*worker, "1"),
        "worker-2": (*worker, "2"),  # Its handlers run in two processes.
        "worker-3-go": (go, "work"),
    }
