"""What does a journal say, as of now?

Contract: one thread reads the journal and applies every entry to a fold; under `lock` the fold may be asked. What an entry did is told
to `listeners` by that thread, outside the lock, in the order of the log. `sync` returns once everything that was durable at its call
has been applied (linearizable reads).
Not obvious: after a reconnect the entry at our own position is read again. If it is another, or the log ends below us, it is not the
log that we followed: everything folded is thrown away and read anew, and that is said.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from asynq_compat.brokers.journal.keeper import TickTimer
from asynq_compat.brokers.journal.notes import Notes
from asynq_compat.brokers.journal.reply import Replier
from asynq_compat.brokers.journal.ticket import Ticket
from asynq_compat.brokers.journal.writer import Writer
from asynq_compat.errors import AsynqError, BrokerUnavailableError, CorruptDataError, ServerStateError
from asynq_compat.journals.journal import BEFORE_THE_FIRST, Entry, Journal
from asynq_compat.machine.applied import Applied, Verdict
from asynq_compat.machine.control import ControlApplied, ControlMachine
from asynq_compat.machine.machine import Machine
from asynq_compat.rules.clock import Clock
from asynq_compat.wire import command

_LOG = logging.getLogger("asynq_compat.journal")

_RETRY_S = 0.2
# How often a long wait for a cold replica is told.
_TELL_EVERY_S = 2.0
# The longest the thread waits in one read; a tick due earlier shortens it.
IDLE_S = 5.0


# What a journal is folded into, and what one entry did.
AnyApplied = Applied | ControlApplied
_F = TypeVar("_F", bound=Machine | ControlMachine)


class Listener(Protocol):
    """Who is told what an entry did. Called by the replica's thread."""

    def on_applied(self, applied: AnyApplied, now_s: float) -> None:
        """Hear of one entry."""

    def on_rebuilt(self) -> None:
        """Hear that the log is another one: whatever was known is void."""


class Replica(Generic[_F]):
    """A fold that follows its journal.

    Args:
        journal: The journal; read by this replica's thread only.
        make_fold: Makes an empty fold.
        writer: This process's writer into the same journal.
        due: Says at which clock a tick would change something, and this process's rank as a keeper; None where it does not tick.
            Called under `lock`.
        version: Says which machine version of the journal this release does not know. Called under `lock`.
        replier: Who replies to frames that ask; None where nobody can.
        idle_s: The longest wait in one read.
    """

    def __init__(
        self,
        journal: Journal,
        make_fold: Callable[[], _F],
        writer: Writer,
        clock: Clock,
        *,
        due: Callable[[], tuple[int | None, int] | None] = lambda: None,
        version: Callable[[], int | None] = lambda: None,
        replier: Replier | None = None,
        idle_s: float = IDLE_S,
    ) -> None:
        self.lock = threading.Lock()  # Guards the fold.
        self.fold: _F = make_fold()
        self._make_fold: Callable[[], _F] = make_fold
        self._journal = journal
        self._writer = writer
        self._clock = clock
        self._due = due
        self._version = version
        self._repliers = () if replier is None else (replier,)
        self._idle_s = idle_s
        self._moved = threading.Condition(threading.Lock())  # Guards _upto, _failure, _generation, _is_stopped.
        self._upto = BEFORE_THE_FIRST
        self._failure: AsynqError | None = None
        self._is_stopped = False
        self._listeners: list[Listener] = [*self._repliers]
        self._last: Entry | None = None  # Owned by the thread.
        self._timer = TickTimer(clock.monotonic_s())  # Owned by the thread.
        self._notes = Notes(journal.name)  # Owned by the thread.
        self._thread = threading.Thread(target=self._run, name=f"asynq-replica-{journal.name}", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._writer.follow()
        self._thread.start()

    def stop(self) -> None:
        """Follow no longer; returns when the thread has ended. Legal twice."""
        with self._moved:
            self._is_stopped = True
            self._moved.notify_all()
        self._journal.interrupt()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(10.0)

    def listen(self, listener: Listener) -> None:
        """Tell `listener` of every entry applied from now on."""
        self._listeners = [*self._listeners, listener]

    def unlisten(self, listener: Listener) -> None:
        """Tell it no more."""
        self._listeners = [one for one in self._listeners if one is not listener]

    @property
    def failure(self) -> AsynqError | None:
        """Why the journal cannot be followed at the moment; None while all is well."""
        return self._failure

    def sync(self, *, timeout_s: float) -> None:
        """Wait until all that was durable at this call has been applied.

        `timeout_s` is the longest time without progress: a cold replica may take longer in all.

        Raises:
            BrokerUnavailableError: The journal does not answer.
            CorruptDataError: It cannot be folded.
        """
        self._wait_for(self._journal.end(), timeout_s)

    def _wait_for(self, position: int, timeout_s: float) -> None:
        moved_at_s = told_at_s = time.monotonic()
        with self._moved:
            while self._upto < position:
                before = self._upto
                if self._is_stopped:
                    raise BrokerUnavailableError(f"the connection to {self._journal.name} is closed")
                if isinstance(self._failure, CorruptDataError):
                    raise self._failure
                self._moved.wait(min(timeout_s, _TELL_EVERY_S))
                now_s = time.monotonic()
                if self._upto != before:
                    moved_at_s = now_s
                elif now_s - moved_at_s >= timeout_s:
                    cause = f": {self._failure}" if self._failure else ""
                    raise BrokerUnavailableError(f"{self._journal.name} gave no entries within {timeout_s:g} s{cause}")
                if now_s - told_at_s >= _TELL_EVERY_S:
                    told_at_s = now_s
                    _LOG.info("reading %s: entry %d of %d", self._journal.name, self._upto, position)

    # --- the thread --------------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        is_connected = True
        while not self._is_stopped:
            try:
                if not is_connected:
                    self._verify()
                    is_connected = True
                self._step()
                self._clear_failure()
            except BrokerUnavailableError as failure:
                is_connected = False
                self._fail(failure)
                self._pause()
            except ServerStateError:
                return  # closed
            except AsynqError as failure:
                self._fail(failure)
                self._pause()
            except Exception:  # noqa: BLE001 - the top of a thread
                _LOG.exception("the replica of %s failed", self._journal.name)
                self._fail(CorruptDataError(f"the replica of {self._journal.name} failed; its log has the cause"))
                self._pause()

    def _step(self) -> None:
        batch = self._journal.read(self._upto, wait_s=self._wait_s())
        if batch.entries:
            self._apply(batch.entries)
        if batch.upto != self._upto:
            with self._moved:
                self._upto = batch.upto
                self._moved.notify_all()
        self._notes.pass_time(self._clock.monotonic_s())
        self._tick()
        for one in self._repliers:
            one.run(self._clock.monotonic_s())

    def _apply(self, entries: Sequence[Entry]) -> None:
        now_s = self._clock.monotonic_s()
        apply = self.fold.apply
        for entry in entries:
            with self.lock:
                applied = apply(entry.position, entry.timestamp_ms, entry.is_log_time, entry.data, entry.headers)
            if applied.notes:
                self._notes.tell(entry.position, applied.notes, now_s)
            if applied.writer_id is not None:
                if applied.verdict is Verdict.APPLIED:
                    self._writer.on_applied(applied.writer_id, applied.sequence, applied.position, applied.outcomes)
                elif applied.verdict is Verdict.REFUSED:
                    self._writer.on_refused(applied.writer_id, applied.sequence)
            for listener in self._listeners:
                listener.on_applied(applied, now_s)
        last = entries[-1]
        self._last = last
        self._timer.observe(last.timestamp_ms, now_s)
        with self.lock:
            version = self._version()
            due = self._due()
        if due is not None:
            self._timer.settle_due(due[0])
        if version is not None:
            raise CorruptDataError(
                f"{self._journal.name} uses machine version {version}, which this release does not know; upgrade this process"
            )

    # --- ticks -------------------------------------------------------------------------------------------------------------------

    def _next_tick(self) -> tuple[int | None, float | None]:
        """What is due next by the journal's clock, and when to tick for it."""
        with self.lock:
            due = self._due()
        if due is None:
            return None, None
        due_ms, rank = due
        return due_ms, self._timer.next_tick_at_s(next_due_ms=due_ms, rank=rank)

    def _wait_s(self) -> float:
        instants = [self._next_tick()[1], *(one.next_at_s() for one in self._repliers)]
        at_s = min((one for one in instants if one is not None), default=None)
        return self._idle_s if at_s is None else min(max(0.0, at_s - self._clock.monotonic_s()), self._idle_s)

    def _tick(self) -> None:
        due_ms, at_s = self._next_tick()
        now_s = self._clock.monotonic_s()
        if at_s is not None and at_s <= now_s:
            self._timer.ticked(due_ms, now_s)
            self._writer.submit(Ticket([command.tick()], size_bytes=8, task_count=0))

    # --- trouble -----------------------------------------------------------------------------------------------------------------

    def _verify(self) -> None:
        """Make sure that the log is still the one we followed."""
        last = self._last
        if last is None:
            return
        is_same = self._journal.end() >= last.position
        if is_same:
            again = self._journal.read(last.position - 1, wait_s=0.0, max_count=1).entries
            is_same = bool(again) and again[0] == last
        if not is_same:
            self._rebuild(last.position)

    def _rebuild(self, position: int) -> None:
        _LOG.error(
            "%s is not the journal it was: it has another entry, or none, at position %d; everything is read anew and "
            "tasks held here are given up",
            self._journal.name,
            position,
        )
        with self.lock:
            self.fold = self._make_fold()
        with self._moved:
            self._upto = BEFORE_THE_FIRST
            self._moved.notify_all()
        self._last = None
        self._writer.on_rebuilt()
        for listener in self._listeners:
            listener.on_rebuilt()

    def _fail(self, failure: AsynqError) -> None:
        if type(failure) is not type(self._failure):
            _LOG.warning("cannot follow %s: %s", self._journal.name, failure)
        with self._moved:
            self._failure = failure
            self._moved.notify_all()

    def _clear_failure(self) -> None:
        if self._failure is not None:
            _LOG.info("following %s again", self._journal.name)
            with self._moved:
                self._failure = None

    def _pause(self) -> None:
        deadline = time.monotonic() + _RETRY_S
        with self._moved:
            while not self._is_stopped and (left_s := deadline - time.monotonic()) > 0:
                self._moved.wait(left_s)
