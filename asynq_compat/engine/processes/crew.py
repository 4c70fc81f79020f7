"""How do the handlers of one server run in several processes?

Contract: stands where `Runner` stands in a server of one process. `hire` makes the workers before the server joins its queues, so that no task
waits for imports; whatever ends one, another takes its place.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from asynq_compat.config import Config
from asynq_compat.engine.pool import Pool
from asynq_compat.engine.processes import overdue
from asynq_compat.engine.processes.bereaved import Bereaved, Home, Job
from asynq_compat.engine.processes.between import logs, messages
from asynq_compat.engine.processes.between.deaf import SIGNALS
from asynq_compat.engine.processes.desk import Desk
from asynq_compat.engine.processes.hiring import Hiring
from asynq_compat.engine.processes.listening import Listener
from asynq_compat.engine.processes.worker import Worker
from asynq_compat.engine.processes.writing import Writing
from asynq_compat.engine.settler import Settling
from asynq_compat.errors import AsynqError, ContextDeadlineError, ServerStateError, WorkerProcessError
from asynq_compat.ports.consuming import Intake, Lease
from asynq_compat.ports.observing import Timing
from asynq_compat.rules.clock import Clock
from asynq_compat.servemux import Handler

# Workers that import the program for so long are spoken of in the log, again and again.
_TELL_EVERY_S = 10.0
_LOOK_S = 1.0
_WANTED_S = 0.25  # How often a start looks whether it is still wanted.
_EXIT_S = 2.0  # How long processes may take to end.
_THREADS_MAX = 16  # They write results and ask the user's functions.


class Crew:
    """The worker processes of one server.

    Attributes:
        attempts: What they have; there once `bind` was called.
    """

    attempts: Desk

    def __init__(
        self, handler: Handler, config: Config, clock: Clock, log: logging.Logger, timing: Timing | None
    ) -> None:
        """Pack the program.

        Raises:
            InvalidArgumentError: The handler, or a function of the configuration, cannot be sent.
        """
        self._config = config
        self._clock = clock
        self._log = log
        self._timing = timing
        self._hiring = Hiring(handler, config, log, measures=timing is not None)
        self._listener = Listener(self._received, self._gone, self._turned, log)
        self._pool: Pool[Job] = Pool(min(config.concurrency, _THREADS_MAX), lambda job: job(), lambda: None)
        self._lock = threading.Lock()  # Guards the workers and what they are known to have.
        self._workers: list[Worker] = []
        self._news = threading.Condition()  # Told when a worker is ready, or is gone.
        self._failure: WorkerProcessError | None = None  # Why the first ones cannot run tasks.
        self._is_bound = self._is_over = False
        self._looked_s = 0.0

    # --- life ---------------------------------------------------------------------------------------------------------------------

    def hire(self, is_wanted: Callable[[], bool]) -> None:
        """Make the workers and wait until they have imported the program, or `is_wanted` says no.

        Raises:
            WorkerProcessError: One of them cannot run tasks.
            ServerStateError: Nobody wants them any more.
        """
        self._listener.start()
        try:
            for slots in self._hiring.sizes:
                self._make(slots)
            self._wait_until_ready(is_wanted)
        except BaseException:
            self.stop_threads()
            raise
        self._log.info("Worker processes are ready, pids %s", " ".join(str(worker.pid) for worker in self._workers))

    def _wait_until_ready(self, is_wanted: Callable[[], bool]) -> None:
        tell_at_s = time.monotonic() + _TELL_EVERY_S
        with self._news:
            while self._failure is None and not all(worker.is_ready for worker in self._workers):
                self._news.wait(_WANTED_S)
                if not is_wanted():
                    raise ServerStateError("the server was stopped before its worker processes were ready")
                if time.monotonic() > tell_at_s:
                    self._log.info("Waiting for worker processes to import the program")
                    tell_at_s += _TELL_EVERY_S
        if self._failure is not None:
            raise self._failure

    def bind(self, intake: Intake, settler: Settling, on_end: Callable[[AsynqError], None]) -> None:
        """Say where tasks come from; `on_end` hears why no more can be run. Behind `hire`, once."""
        home = Home(intake)
        self._bereaved = Bereaved(self._config, home, settler, self._pool, self._log)
        self._writing = Writing(intake, self._pool, self._say)
        self._on_end = on_end
        self.attempts = Desk(
            self._workers,
            self._lock,
            settler,
            home,
            self._bereaved,
            self._end_workers,
            self._kill_workers,
            self._clock,
            self._log,
        )
        self._is_bound = True

    def start_threads(self) -> None:
        """Run: everything does, since `hire`."""

    def start(self, leases: Sequence[Lease]) -> None:
        """Have the tasks run."""
        self.attempts.start(leases)

    def stop_threads(self) -> None:
        """End the workers, those that do not follow in time by force, and the thread that hears them. Legal twice."""
        if self._is_over:
            return
        self._is_over = True
        self._end_workers()
        if not self._are_gone_within(_EXIT_S):
            self._kill_workers()
            self._are_gone_within(_EXIT_S)
        self._listener.stop()
        for worker in self._workers:  # One that was made while this went on, or whose end nobody heard.
            worker.kill()
            worker.reap()
            worker.close()
        self._workers.clear()
        self._pool.stop()

    def _are_gone_within(self, patience_s: float) -> bool:
        with self._news:
            return self._news.wait_for(lambda: not self._workers, patience_s)

    def _end_workers(self) -> None:
        with self._lock:
            for worker in self._workers:
                if not worker.is_ready:
                    worker.kill()  # It has nothing to tell.
                elif not worker.is_ending:
                    worker.say(messages.END)
                worker.is_ending = True
            workers = list(self._workers)
        for worker in workers:
            worker.flush()

    def _kill_workers(self) -> None:
        with self._lock:
            for worker in self._workers:
                worker.is_ending = True
                worker.kill()

    def _make(self, slots: int) -> None:
        try:
            worker = Worker(slots, self._hiring.settings(), SIGNALS, self._listener.wake)
        except OSError as error:  # No memory, no process or no descriptor left.
            raise WorkerProcessError(f"a worker process cannot be started: {error}") from error
        with self._lock:
            self._workers.append(worker)
        self._listener.watch(worker)
        worker.flush()

    def _say(self, worker: Worker, *message: object) -> None:
        with self._lock:
            worker.say(*message)
        worker.flush()

    # --- the listener's thread ----------------------------------------------------------------------------------------------------

    def _received(self, worker: Worker, message: messages.Message) -> None:
        match message[0]:
            case messages.ENDED:
                self.attempts.ended(worker, message[1], message[2])
                for timed in message[3]:
                    if self._timing is not None:
                        self._timing.handled(*timed)
            case messages.WRITE:
                _, number, place, result = message
                self._writing.write(worker, number, self.attempts.lease_at(worker, place), result)
            case messages.LOG:
                logs.handle(message[1], self._log)
            case messages.READY:
                worker.is_ready, worker.ready_s = True, time.monotonic()
                self._tell()
                if self._is_bound:
                    self._log.info("Worker process %d is ready", worker.pid)
                    self.attempts.place()
            case messages.UNFIT:
                worker.unfit = message[1]

    def _turned(self) -> float | None:
        """Do what is to be done behind all that came at once; return within how many seconds there is more."""
        if not self._is_bound or self._is_over:
            return None
        self.attempts.refill()
        for slots in self._hiring.due():
            if not self.attempts.is_draining:
                self._remake(slots)
        now_s = time.monotonic()
        if now_s - self._looked_s >= _LOOK_S:
            self._looked_s = now_s
            self._look()
        return self._hiring.wait_s()

    def _remake(self, slots: int) -> None:
        try:
            self._make(slots)
        except WorkerProcessError as error:
            self._log.error("%s; it is tried again", error)
            self._hiring.lost(slots, 0.0, 0)

    def _look(self) -> None:
        with self._lock:
            workers = list(self._workers)
            late = overdue.ask(workers)
            for worker, places in late:
                worker.overdue = places
        for worker in workers:
            worker.flush()
            worker.look()
        for worker, places in late:
            self._log.error(
                "worker process %d does not answer, and the deadline of %s of its tasks has passed: it is killed",
                worker.pid,
                len(places) or "one",
            )
            worker.kill()

    def _gone(self, worker: Worker) -> None:
        how = worker.reap()
        if self._is_bound:
            self._pass_on(worker, how)
        else:
            with self._lock:
                self._workers.remove(worker)
            self._failure = self._failure or worker.failure(how)
            # Where all were ready by then, the server is joining its queues: it makes another one once it has.
            self._hiring.lost(worker.slots, worker.ready_s, 0)
        worker.close()
        self._tell()

    def _pass_on(self, worker: Worker, how: str) -> None:
        """See to the tasks of a worker that is gone, and to its successor."""
        begun = self.attempts.gone(worker)
        tasks = [held for _, held in begun]
        if worker.is_ending:
            self.attempts.requeue(tasks)
        elif worker.overdue is not None:
            self._bereaved.fail([held for place, held in begun if place in worker.overdue], ContextDeadlineError())
            self.attempts.requeue([held for place, held in begun if place not in worker.overdue])
        else:
            text = f"worker process {worker.pid} died ({how}) while running this task"
            self._bereaved.fail(tasks, WorkerProcessError(text, pid=worker.pid))
        if self.attempts.is_draining and not self._workers:
            self.attempts.hand_back_waiting()
        if not worker.is_ending:
            failure = worker.failure(how)
            self._log.error("%s; tasks that it was running: %d; another one takes its place", failure, len(begun))
            self._hiring.lost(worker.slots, worker.ready_s, worker.ended_count + len(begun))
            if self._hiring.is_hopeless and not any(other.is_ready for other in self._workers):
                self._on_end(failure)

    def _tell(self) -> None:
        with self._news:
            self._news.notify_all()


def hired(
    handler: Handler,
    config: Config,
    clock: Clock,
    log: logging.Logger,
    is_wanted: Callable[[], bool],
    timing: Timing | None,
) -> Crew:
    """Return a crew whose workers are ready.

    Raises:
        InvalidArgumentError: The program cannot be sent to another process.
        WorkerProcessError: A worker cannot run tasks.
        ServerStateError: `is_wanted` said no.
    """
    crew = Crew(handler, config, clock, log, timing)
    crew.hire(is_wanted)
    return crew
