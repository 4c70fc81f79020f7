"""What can befall whoever works on any broker?

Contract: each blow has a name and is over when `deal` returns: who was killed is started again. What a hand enqueues is noted in a ledger of its own.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import asynq_compat as asynq
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import RETENTION_S, Ledger
from tests.services.waiting import wait_until

LARGE_BYTES = 5 * 1024 * 1024
STOPPED = "worker process stopped"
STOPPED_S = 33.0  # a lease and a little
_STORED_WITHIN_S = 180.0
# Longer than anybody sleeps.
_THERE_WITHIN_S = 180.0

_T = TypeVar("_T")


class BaseHand:
    """Deals blows to one run.

    Args:
        url: Of the broker, as the run's own client reaches it.
        short_max_s: How long what is called short lasts at most.

    Attributes:
        blows: By name.
    """

    def __init__(self, url: str, fleet: Fleet, chance: random.Random, folder: Path, *, short_max_s: float) -> None:
        self._fleet, self._chance, self._short_max_s = fleet, chance, short_max_s
        self._pause = threading.Event()
        self._numbers = itertools.count(1)
        self._ledger = Ledger(folder / "producer-hand")
        self._client = asynq.Client(url)
        self.blows: dict[str, Callable[[], None]] = {
            "deadly task": lambda: self._enqueue("deadly", None),
            "producer killed": lambda: self._kill("producer"),
            "worker killed": lambda: self._kill("worker"),
            "worker killed that has processes": self._kill_with_processes,
            "worker process killed": lambda: self._strike_process(fleet.kill_worker_process),
            STOPPED: lambda: self._strike_process(lambda pid: fleet.stop_worker_process(pid, STOPPED_S)),
            "large payload": self._enqueue_large,
        }

    def deal(self, name: str) -> None:
        """Deal a blow."""
        self.blows[name]()
        self._fleet.counts[f"blow: {name}"] += 1

    def _some_seconds(self) -> float:
        return self._chance.uniform(0.5, self._short_max_s)

    def _kill(self, what: str) -> None:
        self._fleet.kill(self._chance.choice(self._fleet.awake(what)))

    def _strike_process(self, strike: Callable[[int], None]) -> None:
        """One of those in which the handlers of a worker run: there is one as soon as its server has imported the program."""
        found = _wait_for(self._find_processes, "a worker process is there that is awake")
        strike(self._chance.choice(found))

    def _kill_with_processes(self) -> None:
        found = _wait_for(self._find_servers, "a worker with processes is there and awake")
        self._fleet.kill(found[0])

    def _find_servers(self) -> list[str]:
        self._fleet.look()
        return self._fleet.awake_with_processes()

    def _find_processes(self) -> list[int]:
        self._fleet.look()
        return self._fleet.worker_processes()

    def _enqueue_large(self) -> None:
        content = self._chance.randbytes(LARGE_BYTES)
        self._enqueue("large", hashlib.sha256(content).hexdigest().encode() + content)

    def give_work(self, count: int) -> set[str]:
        """Enqueue so many tasks of the kind "kept"; return the ids of those that are stored for sure."""
        tasks = [asynq.Task("kept", None, asynq.Retention(RETENTION_S)) for _ in range(count)]
        stored = {one.id for one in self._client.enqueue_many(tasks) if isinstance(one, asynq.TaskInfo)}
        for _ in tasks:
            self._ledger.note(event="asked", kind="kept")
        for task_id in stored:
            self._ledger.note(event="acknowledged", kind="kept", id=task_id)
        return stored

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

    def _suffer(self, begin: Callable[[], object], end: Callable[[], object]) -> None:
        with self._fleet.outage():
            begin()
            self._pause.wait(self._some_seconds())
            end()

    def close(self) -> None:
        """Close what was opened."""
        self._client.close()


def _wait_for(find: Callable[[], list[_T]], what: str) -> list[_T]:
    """Return what was found as soon as there is something; asked again, there might be nothing any more."""
    found: list[_T] = []

    def is_there() -> bool:
        found[:] = find()
        return bool(found)

    wait_until(is_there, what, _THERE_WITHIN_S)
    return found
