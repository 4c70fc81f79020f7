"""Which worker process has which task, and what becomes of it?

Contract: stands where `Attempts` stands in a server of one process. Each lease that `start` is given is settled or dropped exactly once. The
lock guards the workers, what they are known to have, and what waits; messages are put into outboxes under it and sent without it.
Not obvious: tasks wait here only while a worker is made anew, since no more are taken than there are slots in all.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence

from asynq_compat.engine.processes.bereaved import Bereaved, Home, run_of
from asynq_compat.engine.processes.between import messages
from asynq_compat.engine.processes.between.outcomes import Told, settlement_of
from asynq_compat.engine.processes.worker import Held, Worker
from asynq_compat.engine.run import Run
from asynq_compat.engine.settler import Settling
from asynq_compat.errors import ContextCanceledError, CorruptDataError
from asynq_compat.ports.consuming import Lease, LeaseTerm, SettleKind, Settlement
from asynq_compat.rules.clock import Clock

# How long a shutdown waits for the user's functions that are deciding about a failure, and then for killed processes.
_CONCLUDE_S = 2.0
# So often a task goes to another worker uncounted; of so many it is remembered.
_RETURNS_MAX = 3
_RETURNED_MAX = 10_000


class Desk:
    """Gives tasks to workers and takes their outcomes.

    Attributes:
        is_draining: The server ends: no worker is made any more.

    Args:
        workers: Those that were made and are not gone; the crew adds to them.
        lock: See above.
        settler: Takes outcomes.
        home: What attempts ask for in this process.
        bereaved: Takes tasks whose worker is gone.
        end_workers: Has them hand back what they run and end.
        kill_workers: Ends them at once.
        clock: Tells the time.
        log: The server's.
    """

    def __init__(
        self,
        workers: list[Worker],
        lock: threading.Lock,
        settler: Settling,
        home: Home,
        bereaved: Bereaved,
        end_workers: Callable[[], object],
        kill_workers: Callable[[], object],
        clock: Clock,
        log: logging.Logger,
    ) -> None:
        self._settler = settler
        self._home = home
        self._bereaved = bereaved
        bereaved.ended = self.note_drained
        self._end_workers = end_workers
        self._kill_workers = kill_workers
        self._clock = clock
        self._log = log
        self._lock = lock
        self._workers = workers
        self._waiting: deque[Lease] = deque()
        self._returned: Counter[tuple[str, str]] = Counter()
        self._has_ended_some = False
        self.is_draining = False
        self._drained = threading.Event()

    def start(self, leases: Sequence[Lease]) -> None:
        """Have the tasks run."""
        fresh = []
        term: LeaseTerm | None = None
        is_ours = True
        for lease in leases:
            if lease.term is not term:
                term = lease.term
                is_ours = term.is_valid()
            if is_ours:
                fresh.append(lease)
            else:
                self._settler.drop(lease)
        with self._lock:
            self._waiting.extend(fresh)
        self.place()

    def place(self) -> None:
        """Give what waits to workers with room."""
        if not self._waiting:
            return
        given = []
        with self._lock:
            now_ns = self._clock.now_ns()
            counts = messages.shares(len(self._waiting), [worker.room for worker in self._workers])
            for worker, count in zip(self._workers, counts, strict=True):
                if count:
                    worker.hand([self._waiting.popleft() for _ in range(count)], now_ns)
                    given.append(worker)
        for worker in given:
            worker.flush()

    def unsettled(self) -> list[Run]:
        """Return the attempts whose leases this server still needs."""
        with self._lock:
            tasks = [held for worker in self._workers for held in worker.held.values()]
            now_ns = self._clock.now_ns()
            tasks += [Held(lease, now_ns, 0.0) for lease in self._waiting]
        runs = []
        for held in tasks + self._bereaved.unsettled():
            try:
                runs.append(run_of(held, self._home))
            except CorruptDataError:
                continue  # Its worker has been told of no such task, or is about to say that it cannot read it.
        return runs

    def lease_lost(self, run: Run) -> None:
        """End an attempt whose task may be somebody else's now: nothing is written."""
        lease = run.lease
        with self._lock:
            holders = [
                (worker, place)
                for worker in self._workers
                for place, held in worker.held.items()
                if held.lease is lease
            ]
            for worker, place in holders:
                worker.lose(place)
            is_waiting = any(one is lease for one in self._waiting)
            if is_waiting:
                self._waiting = deque(one for one in self._waiting if one is not lease)
        for worker, _ in holders:
            worker.flush()
        if is_waiting:
            self._settler.drop(lease)
            self.note_drained()

    def cancel(self, task_id: str) -> None:
        """Cancel every attempt at a task of this id."""
        with self._lock:
            holders = [
                worker
                for worker in self._workers
                if any(held.lease.task_id == task_id for held in worker.held.values())
            ]
            for worker in holders:
                worker.say(messages.CANCEL, task_id)
            now_ns = self._clock.now_ns()
            waiting = [Held(lease, now_ns, 0.0) for lease in self._waiting if lease.task_id == task_id]
            self._waiting = deque(lease for lease in self._waiting if lease.task_id != task_id)
        for worker in holders:
            worker.flush()
        self._bereaved.fail(waiting, ContextCanceledError())

    # --- the end ------------------------------------------------------------------------------------------------------------------

    def drain(self, timeout_s: float) -> None:
        """Wait until nothing runs; hand back what still runs after `timeout_s`."""
        self.is_draining = True
        self.note_drained()
        if not self._drained.wait(max(timeout_s, 0.0)):
            self.hand_back_waiting()
            self._end_workers()
            if not self._drained.wait(_CONCLUDE_S):
                self._kill_workers()
                self._drained.wait(_CONCLUDE_S)
        self._bereaved.end()

    def hand_back_waiting(self) -> None:
        """Requeue what no worker has."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
        for lease in waiting:
            self._settler.add(Settlement(lease, SettleKind.REQUEUE))
        self.note_drained()

    def note_drained(self) -> None:
        """Look whether something runs, while a shutdown waits for that."""
        if not self.is_draining:
            return
        with self._lock:
            is_busy = self._has_ended_some or bool(self._waiting) or any(worker.held for worker in self._workers)
        if not is_busy and not self._bereaved.unsettled():
            self._drained.set()

    # --- what workers tell: the listener's thread ---------------------------------------------------------------------------------

    def ended(self, worker: Worker, done: Sequence[int], others: Sequence[Told]) -> None:
        """A worker has told outcomes."""
        self._has_ended_some = True  # Before: until what comes of it has begun, nothing is drained.
        with self._lock:
            leases = worker.release(done)
            rest = worker.release([told[0] for told in others])
        for lease in leases:
            self._settler.add(lease)
        for lease, told in zip(rest, others, strict=True):
            settlement = settlement_of(lease, told)
            if settlement is None:
                self._settler.drop(lease)
            else:
                self._settler.add(settlement)

    def refill(self) -> None:
        """Start what is at hand for the slots that were freed."""
        if self._has_ended_some:
            leases = self._settler.turn_over()
            if leases:
                self.start(leases)
            else:
                self.place()
            self._has_ended_some = False
            self.note_drained()

    def lease_at(self, worker: Worker, place: int) -> Lease | None:
        """Return the lease that a worker has at a place; None: it has none there any more."""
        with self._lock:
            held = worker.held.get(place)
        return None if held is None else held.lease

    def gone(self, worker: Worker) -> list[tuple[int, Held]]:
        """A worker is gone: what it had not begun waits for another one; return what it had begun, by place."""
        self._has_ended_some = True
        begun = []
        with self._lock:
            self._workers.remove(worker)
            for place, held in reversed(worker.take_back()):
                if worker.has_begun(place) or self._is_ominous(held.lease):
                    begun.append((place, held))
                else:
                    self._waiting.appendleft(held.lease)
        return begun

    def _is_ominous(self, lease: Lease) -> bool:
        """Count that a worker died with a task that it had not begun; return whether the task is to be blamed all the same.

        What a base context or a middleware does comes before a handler's begin, and may be what ends the process each time.
        """
        if len(self._returned) > _RETURNED_MAX:
            self._returned.clear()
        self._returned[lease.queue, lease.task_id] += 1
        return self._returned[lease.queue, lease.task_id] > _RETURNS_MAX

    def requeue(self, tasks: Sequence[Held]) -> None:
        """Give tasks back that were begun, uncounted."""
        for held in tasks:
            self._log.warning("Quitting worker. task id=%s", held.lease.task_id)
            self._settler.add(Settlement(held.lease, SettleKind.REQUEUE))
