"""What can befall a Redis, its network, and who works there?

Contract: each blow has a name and is over when `deal` returns: what was cut is healed, who was killed is started again.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import threading
from collections.abc import Callable
from pathlib import Path

import asynq_compat as asynq
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import RETENTION_S, Ledger
from tests.chaos.on_redis.ground import RedisGround
from tests.services.ports import HOST, free_ports
from tests.services.waiting import wait_until

LARGE_BYTES = 5 * 1024 * 1024
DELAY_S = 0.3
STOPPED = "worker process stopped"
STOPPED_S = 33.0  # a lease and a little
_SHORT_MAX_S = 2.0
_STORED_WITHIN_S = 60.0
_THERE_WITHIN_S = 60.0


class Hand:
    """Deals blows to one run.

    Attributes:
        blows: By name.
    """

    def __init__(self, ground: RedisGround, fleet: Fleet, chance: random.Random, folder: Path) -> None:
        self._ground, self._fleet, self._chance = ground, fleet, chance
        self._pause = threading.Event()
        self._numbers = itertools.count(1)
        self._ledger = Ledger(folder / "producer-hand")
        self._client = asynq.Client(ground.server.url)
        network, server = ground.network, ground.server
        self.blows: dict[str, Callable[[], None]] = {
            "deadly task": lambda: self._enqueue("deadly", None),
            "producer killed": lambda: self._kill("producer"),
            "worker killed": lambda: self._kill("worker"),
            "worker killed that has processes": self._kill_with_processes,
            "worker process killed": lambda: self._strike_process(fleet.kill_worker_process),
            STOPPED: lambda: self._strike_process(lambda pid: fleet.stop_worker_process(pid, STOPPED_S)),
            "large payload": self._enqueue_large,
            "scripts flushed": self._flush_scripts,
            "redis killed": lambda: self._suffer(server.kill, ground.start),
            "redis restarted": lambda: self._suffer(server.end, ground.start),
            "redis stopped": lambda: self._suffer(server.pause, server.resume),
            "out of memory": lambda: self._suffer(lambda: self._limit_memory(1), lambda: self._limit_memory(0)),
            "read-only": lambda: self._suffer(self._make_replica, self._make_master),
            "connections dropped": lambda: self._suffer(network.drop, lambda: None),
            "connections half open": lambda: self._suffer(network.half_open, lambda: None),
            "network cut": lambda: self._suffer(network.cut, network.heal),
            "network slow": lambda: self._suffer(lambda: network.slow_down(DELAY_S), network.heal),
            "answers lost": lambda: self._suffer(network.lose_answers, network.heal),
        }

    def deal(self, name: str) -> None:
        """Deal a blow."""
        self.blows[name]()
        self._fleet.counts[f"blow: {name}"] += 1

    def _kill(self, what: str) -> None:
        self._fleet.kill(self._chance.choice(self._fleet.awake(what)))

    def _strike_process(self, strike: Callable[[int], None]) -> None:
        """One of those in which the handlers of a worker run: there is one as soon as its server has imported the program."""
        wait_until(self._find_processes, "a worker process is there that is awake", _THERE_WITHIN_S)
        strike(self._chance.choice(self._find_processes()))

    def _kill_with_processes(self) -> None:
        wait_until(self._find_servers, "a worker with processes is there and awake", _THERE_WITHIN_S)
        self._fleet.kill(self._find_servers()[0])

    def _find_servers(self) -> list[str]:
        self._fleet.look()
        return self._fleet.awake_with_processes()

    def _find_processes(self) -> list[int]:
        self._fleet.look()
        return self._fleet.worker_processes()

    def _flush_scripts(self) -> None:
        self._ground.operator.script_flush()

    def _limit_memory(self, limit_bytes: int) -> None:
        self._ground.operator.config_set("maxmemory", limit_bytes)

    def _make_replica(self) -> None:
        """Of a master that is not there: it keeps its data and refuses every write."""
        self._ground.operator.replicaof(HOST, free_ports(1)[0])

    def _make_master(self) -> None:
        self._ground.operator.replicaof("NO", "ONE")

    def _suffer(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        with self._fleet.outage():
            begin()
            self._pause.wait(self._chance.uniform(0.5, _SHORT_MAX_S))
            end()

    def give_work(self, count: int) -> set[str]:
        """Enqueue so many tasks of the kind "kept"; return their ids."""
        tasks = [asynq.Task("kept", None, asynq.Retention(RETENTION_S)) for _ in range(count)]
        stored = {one.id for one in self._client.enqueue_many(tasks) if isinstance(one, asynq.TaskInfo)}
        for _ in tasks:
            self._ledger.note(event="asked", kind="kept")
        for task_id in stored:
            self._ledger.note(event="acknowledged", kind="kept", id=task_id)
        return stored

    def _enqueue_large(self) -> None:
        content = self._chance.randbytes(LARGE_BYTES)
        self._enqueue("large", hashlib.sha256(content).hexdigest().encode() + content)

    def _enqueue(self, kind: str, payload: bytes | None) -> None:
        task_id = f"{kind} {next(self._numbers)}"
        task = asynq.Task(kind, payload, asynq.TaskID(task_id), asynq.MaxRetry(0 if payload is None else 25))
        wait_until(lambda: self._is_stored(task), f"the task {task_id!r} is stored", _STORED_WITHIN_S)
        self._ledger.note(event="acknowledged", kind=kind, id=task_id, durable=True)

    def _is_stored(self, task: asynq.Task) -> bool:
        self._ledger.note(event="asked", kind=task.type)
        try:
            self._client.enqueue(task)
        except asynq.TaskIDConflictError:  # The answer before was lost.
            return True
        except asynq.BrokerUnavailableError as error:
            self._ledger.note(event="unanswered", kind=task.type, error=str(error))
            return False
        return True

    def close(self) -> None:
        """Close what was opened."""
        self._client.close()
