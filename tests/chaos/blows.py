"""What can befall a queue and its processes?

Contract: each blow has a name and is over when `deal` returns: what was cut is healed, who was killed is started again. What it changed in
the journal by itself is counted or noted in the hand's own ledger.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import asynq_compat as asynq
from asynq_compat.brokers.journal.keeping.checkpointing import CHUNK, CONFIRMED, MARKED, READ_BACK
from asynq_compat.brokers.journal.keeping.cutting import JOURNAL_CUT, STATE_CUT
from asynq_compat.journals.journal import queue_journal_name
from asynq_compat.wire import command
from asynq_compat.wire.frame import encode_frame
from tests.chaos.fleet import Fleet
from tests.chaos.ground import FileGround, Ground, KafkaGround
from tests.chaos.ledger import RETENTION_S, Ledger
from tests.chaos.work import QUEUE
from tests.interop.keeper_story import keep, store_of
from tests.services.waiting import wait_until

LARGE_BYTES = 5 * 1024 * 1024
AWAY_S = 40.0
STOPPED = "worker process stopped"
STOPPED_S = 33.0  # a lease and a little
_SHORT_MAX_S = 3.0
_STORED_WITHIN_S = 60.0
_THERE_WITHIN_S = 60.0
_ENDED_WITHIN_S = 60.0
_FRAME = encode_frame(bytes(16), 1, [command.tick()])
# None of them is a frame, and none a task.
POISONS = (b"\x94\x01 no frame", b"\xff" * 100, b"", _FRAME[:-1], _FRAME.replace(b"\x94\x01", b"\x94\x63", 1))


class Hand:
    """Deals blows to one run.

    Args:
        lasting: Also those that take longer than half a minute.

    Attributes:
        blows: By name.
        poison_count: Entries that nobody can read.
    """

    def __init__(
        self, ground: Ground, fleet: Fleet, chance: random.Random, folder: Path, partitions: int, *, lasting: bool
    ) -> None:
        self._ground, self._fleet, self._chance, self._partitions = ground, fleet, chance, partitions
        self._pause = threading.Event()
        self._numbers = itertools.count(1)
        self._ledger = Ledger(folder / "producer-hand")
        self._client = asynq.Client(ground.url)
        self._store = store_of(ground.url)
        self.poison_count = 0
        self.blows: dict[str, Callable[[], None]] = {
            "deadly task": lambda: self._enqueue("deadly", None),
            "producer killed": lambda: self._kill("producer"),
            "worker killed": lambda: self._kill("worker"),
            "worker killed that has processes": self._kill_with_processes,
            "worker process killed": lambda: self._strike_process(fleet.kill_worker_process),
            STOPPED: lambda: self._strike_process(lambda pid: fleet.stop_worker_process(pid, STOPPED_S)),
            "poison": self._poison,
            "large payload": self._enqueue_large,
        }
        for step in (CHUNK, MARKED, JOURNAL_CUT) + ((READ_BACK, CONFIRMED, STATE_CUT) if lasting else ()):
            self.blows[f"keeper killed behind: {step}"] = partial(self._kill_keeper, step)
        if lasting:
            self.blows["deadly task, at once"] = lambda: self._enqueue("deadly at once", None)
        if isinstance(ground, FileGround):
            self.blows["disk full"] = lambda: self._fill(ground)
        else:
            self.blows["disk full"] = lambda: self._fill_broker(ground)
            self.blows["broker killed"] = lambda: self._kill_broker(ground, self._some_seconds())
            self.blows["network cut"] = lambda: self._suffer(ground.network.cut, ground.network.heal)
            self.blows["answers lost"] = lambda: self._suffer(ground.network.lose_answers, ground.network.heal)
            if lasting:
                self.blows["broker away"] = lambda: self._kill_broker(ground, AWAY_S)

    def deal(self, name: str) -> None:
        """Deal a blow."""
        self.blows[name]()
        self._fleet.counts[f"blow: {name}"] += 1

    def _some_seconds(self) -> float:
        return self._chance.uniform(0.5, _SHORT_MAX_S)

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

    def _kill_keeper(self, step: str) -> None:
        """Let a keeper die behind a step; it comes to its end if another one was faster, or there is nothing to cut yet."""
        ended = keep(self._ground.url, step)
        self._fleet.counts["keeper killed" if ended else "keeper came to its end"] += 1

    def _poison(self) -> None:
        journal = self._store.open(queue_journal_name(QUEUE, self._chance.randrange(self._partitions)))
        for poison in POISONS:
            journal.append(poison)
            self.poison_count += 1
        journal.close()

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

    def _kill_broker(self, ground: KafkaGround, away_s: float) -> None:
        with self._fleet.outage():
            ground.broker.kill()
            self._pause.wait(away_s)
            ground.broker.start()

    def _fill(self, ground: FileGround) -> None:
        self._suffer(lambda: ground.disk.fill(self._fleet.pids), ground.disk.free)

    def _fill_broker(self, ground: KafkaGround) -> None:
        """A broker that cannot write ends by itself; somebody makes room and starts it again."""
        with self._fleet.outage():
            ground.disk.fill([ground.broker.pid])
            wait_until(ground.broker.has_ended, "the broker has ended, its disk being full", _ENDED_WITHIN_S)
            ground.disk.free()
            ground.broker.kill()
            ground.broker.start()

    def _suffer(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        with self._fleet.outage():
            begin()
            self._pause.wait(self._some_seconds())
            end()

    def close(self) -> None:
        """Close what was opened."""
        self._client.close()
        self._store.close()
