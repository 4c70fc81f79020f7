"""What can befall a Redis, its network, and who works there?

Contract: each blow has a name and is over when `deal` returns: what was cut is healed, who was killed is started again.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

from tests.chaos.fleet import Fleet
from tests.chaos.hand import BaseHand
from tests.chaos.on_redis.ground import RedisGround
from tests.services.ports import HOST

DELAY_S = 0.3
_SHORT_MAX_S = 2.0


class Hand(BaseHand):
    """Deals blows to one run on Redis."""

    def __init__(self, ground: RedisGround, fleet: Fleet, chance: random.Random, folder: Path) -> None:
        super().__init__(ground.server.url, fleet, chance, folder, short_max_s=_SHORT_MAX_S)
        self._ground = ground
        network, server = ground.network, ground.server
        self.blows |= {
            "scripts flushed": self._flush_scripts,
            "redis killed": lambda: self._suffer(server.kill, ground.start),
            "redis restarted": lambda: self._suffer(server.end, ground.start),
            "redis stopped": lambda: self._suffer(server.pause, server.resume),
            "out of memory": lambda: self._suffer(lambda: self._limit_memory(1), lambda: self._limit_memory(0)),
            "read-only": self._make_replica_for_a_while,
            "connections dropped": lambda: self._suffer(network.drop, lambda: None),
            "connections half open": lambda: self._suffer(network.half_open, lambda: None),
            "network cut": lambda: self._suffer(network.cut, network.heal),
            "network slow": lambda: self._suffer(lambda: network.slow_down(DELAY_S), network.heal),
            "answers lost": lambda: self._suffer(network.lose_answers, network.heal),
        }

    def _flush_scripts(self) -> None:
        self._ground.operator.script_flush()

    def _limit_memory(self, limit_bytes: int) -> None:
        self._ground.operator.config_set("maxmemory", limit_bytes)

    def _make_replica_for_a_while(self) -> None:
        """Of a master that is not there: it keeps its data and refuses every write. The port is held: whoever served there would be copied."""
        operator = self._ground.operator
        with socket.socket() as held:
            held.bind((HOST, 0))
            port = held.getsockname()[1]
            self._suffer(lambda: operator.replicaof(HOST, port), lambda: operator.replicaof("NO", "ONE"))
