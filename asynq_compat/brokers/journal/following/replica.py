"""What does a journal say, as of now?

Contract: one thread reads the journal and applies every entry to a fold; under `lock` the fold may be asked. What an entry did is told
to `listeners` by that thread, outside the lock, in the order of the log. `sync` returns once everything that was durable at its call
has been applied (linearizable reads).
Not obvious: it begins with the newest checkpoint, if there is one, and again when what it has not read was cut away. After any failure, and
after a frame that was refused, the entry at our own position is read again; if it is another, or gone, all is folded anew, and that is
said. Where a machine version begins that this release does not know, it stops for good.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from asynq_compat.brokers.journal.following import same_log
from asynq_compat.brokers.journal.following.listening import Listener
from asynq_compat.brokers.journal.following.notes import Notes
from asynq_compat.brokers.journal.following.progress import Progress
from asynq_compat.brokers.journal.following.rhythm import Rhythm
from asynq_compat.brokers.journal.following.same_log import NO_GOOD, FoldLostError, check_is_whole, is_same_log
from asynq_compat.brokers.journal.keeper import TickTimer
from asynq_compat.brokers.journal.keeping.checkpoints import Checkpoints
from asynq_compat.brokers.journal.keeping.folding import newer_release
from asynq_compat.brokers.journal.keeping.tail import Keeping, Tail
from asynq_compat.brokers.journal.reply import Replier
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.brokers.journal.writing.writer import Writer
from asynq_compat.errors import AsynqError, CorruptDataError, NewerReleaseError, ServerStateError
from asynq_compat.journals.journal import BEFORE_THE_FIRST, Entry, Journal, NotInJournalError
from asynq_compat.machine.applied import Marker, Verdict
from asynq_compat.machine.control import ControlMachine
from asynq_compat.machine.machine import Machine
from asynq_compat.rules.clock import Clock
from asynq_compat.wire import command
from asynq_compat.wire.checkpoint import Confirmed

_LOG = logging.getLogger("asynq_compat.journal")

_RETRY_S = 0.2
# The longest the thread waits in one read; a tick due earlier shortens it.
IDLE_S = 5.0

_F = TypeVar("_F", bound=Machine | ControlMachine)


class Replica(Generic[_F]):
    """A fold that follows its journal.

    Args:
        journal: The journal; read by this replica's thread only.
        make_fold: Makes an empty fold.
        writer: This process's writer into the same journal.
        checkpoints: Those of the journal.
        keeping: What of the journal stays.
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
        checkpoints: Checkpoints[_F],
        keeping: Keeping,
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
        self._checkpoints = checkpoints
        self._progress = Progress(journal.name)
        self._listeners: list[Listener] = [*self._repliers]
        self.last: Entry | None = None  # The last entry in the fold; guarded by `lock`.
        self.tail = Tail(keeping)  # Owned by the thread.
        self.checkpoint: Confirmed | None = None  # The newest that was loaded or written here.
        self._marker: Marker | None = None  # The last one seen; owned by the thread, as the next.
        self._has_begun, self._is_connected = False, True
        self._begun_at = BEFORE_THE_FIRST  # What stands up to here was not read by this fold.
        self._contradiction: str | None = None  # The last one; if it comes again in a new fold, the marker is wrong.
        self._lost: NotInJournalError | None = None
        self._suspected: Entry | None = None  # Behind it stands what another log may have given us.
        self._timer = TickTimer(clock.monotonic_s())  # Owned by the thread.
        self._notes, self._rhythm = Notes(journal.name), Rhythm()  # Owned by the thread.
        self._thread = threading.Thread(target=self._run, name=f"asynq-replica-{journal.name}", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._writer.follow()
        self._thread.start()

    def stop(self, *, waits: bool = True) -> None:
        """Follow no longer; returns when the thread has ended, if it `waits`. Legal twice."""
        self._progress.stop()
        self._journal.interrupt()
        if waits and self._thread.ident is not None and self._thread is not threading.current_thread():
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
        return self._progress.failure

    def sync(self, *, timeout_s: float) -> None:
        """Wait until all that was durable now has been applied; `timeout_s` is the longest time without progress, not in all.

        Raises:
            BrokerUnavailableError: The journal does not answer.
            CorruptDataError: It cannot be folded.
        """
        self._progress.wait_for(self._journal.end(), timeout_s)

    def _run(self) -> None:
        while not self._progress.is_stopped and (pause_s := self.run_once()) is not None:
            self._progress.pause(pause_s)

    def run_once(self) -> float | None:
        """Put right what is in the way, read once and apply; return how long to pause then, None to end for good."""
        try:
            self._stand()
            self._step()
            self._progress.goes_on()
            return 0.0
        except ServerStateError:
            return None  # closed
        except NotInJournalError as failure:
            self._lost = failure
            return 0.0
        except FoldLostError as loss:
            self._rebuild(NO_GOOD, loss)
        except NewerReleaseError as failure:
            self._progress.failed(failure)
            self._writer.close(timeout_s=0.0, why=failure)
            return None  # Whatever comes may mean something else than we think.
        except AsynqError as failure:
            self._is_connected = False
            self._progress.failed(failure)
        except Exception:  # noqa: BLE001 - the top of a thread
            _LOG.exception("the replica of %s failed", self._journal.name)
            self._progress.failed(CorruptDataError(f"the replica of {self._journal.name} failed; its log says why"))
        return _RETRY_S

    def _stand(self) -> None:
        """Stand at a place in the log from which it can be read on."""
        if self._lost is not None:
            self._lose_place(self._lost)
            self._lost = None
        if not self._is_connected:
            self._verify()
            self._is_connected = True
        if not self._has_begun:
            self._begin()

    def _begin(self) -> None:
        """Stand where the newest checkpoint, or the journal, begins."""
        restored = self._checkpoints.load(self._journal, self._progress.loaded)
        if restored is None:
            check_is_whole(self._journal)
        self.tail.begin(None if restored is None else restored.entry.timestamp_ms)
        if restored is not None:
            with self.lock:
                self.fold, self.last = restored.fold, restored.entry
                self._marker = self.fold.marker
            self.checkpoint = restored.confirmed
            _LOG.info("%s begins at the checkpoint at position %d", self._journal.name, restored.entry.position)
            self._progress.reached(restored.entry.position)
            self._begun_at = restored.entry.position
        self._has_begun = True

    def _step(self) -> None:
        self._progress.pause(self._rhythm.pause_s)
        # The fold is ahead where a failure came between an entry and the look whether its log is still ours.
        batch = self._rhythm.read(self._journal, max(self._progress.upto, self.fold.position), self._wait_s())
        last = self.last
        if batch.entries and self._apply(batch.entries):
            self._suspected = last
            self._verify()
        if not self._has_begun:
            return  # It was folded wrong, or another log.
        self._progress.reached(batch.upto)
        if self._writer.awaited.is_missing(batch.upto):
            self._writer.on_passed_over(self._begun_at)
            if self._writer.awaited.is_missing(batch.upto):
                self._writer.on_rebuilt()
        self._notes.pass_time(self._clock.monotonic_s())
        self._tick()
        for one in self._repliers:
            one.run(self._clock.monotonic_s())

    def _apply(self, entries: Sequence[Entry]) -> bool:
        """Apply entries; return whether a frame was refused, as many are where another log goes on at our position."""
        was_refused, apply, now_s = False, self.fold.apply, self._clock.monotonic_s()
        for entry in entries:
            with self.lock:
                applied = apply(entry.position, entry.timestamp_ms, entry.is_log_time, entry.data, entry.headers)
                self.last = entry
                version = self._version()
            self._progress.applied_count += 1
            if applied.notes:
                self._notes.tell(entry.position, applied.notes, now_s)
            if applied.writer_id is not None:
                if applied.verdict is Verdict.APPLIED:
                    self._writer.on_applied(applied.writer_id, applied.sequence, applied.position, applied.outcomes)
                elif applied.verdict is Verdict.REFUSED:
                    was_refused = True
                    self._writer.on_refused(applied.writer_id, applied.sequence)
            for listener in self._listeners:
                listener.on_applied(applied, now_s)
            if version is not None:
                raise newer_release(self._journal.name, entry.position, version)
        self.tail.read(entries)
        self._timer.observe(entries[-1].timestamp_ms, now_s)
        with self.lock:
            due = self._due()
            marker = self.fold.marker
            divergence = self.fold.divergence()
        if marker is not self._marker:
            self._marker = marker
            self.tail.marked()
        if divergence is not None and divergence != self._contradiction:
            self._contradiction = divergence
            self._rebuild(NO_GOOD, same_log.DIVERGED.format(divergence))
        elif due is not None:
            self._timer.settle_due(due[0])
        return was_refused

    def _next_tick(self) -> tuple[int | None, float | None]:
        """What is due next by the journal's clock, and when to tick for it."""
        with self.lock:
            due = self._due()
        at_s = None if due is None else self._timer.next_tick_at_s(next_due_ms=due[0], rank=due[1])
        return None if due is None else due[0], at_s

    def _wait_s(self) -> float:
        instants = [self._next_tick()[1], *(one.next_at_s() for one in self._repliers)]
        at_s = min((one for one in instants if one is not None), default=None)
        return self._idle_s if at_s is None else min(max(0.0, at_s - self._clock.monotonic_s()), self._idle_s)

    def _tick(self) -> None:
        due_ms, at_s = self._next_tick()
        if at_s is not None and at_s <= (now_s := self._clock.monotonic_s()):
            self._timer.ticked(due_ms, now_s)
            self._writer.submit(Ticket([command.tick()], size_bytes=8, task_count=0))

    def _verify(self) -> None:
        """Make sure that the log is still the one we followed, and has what was written to it."""
        awaited = self._writer.awaited.position  # What is appended from here on may stand behind the end.
        if awaited is not None and awaited > self._journal.end():
            self._writer.on_rebuilt()
        last = self._suspected or self.last
        if last is not None and not is_same_log(self._journal, last):
            self._rebuild(same_log.ANOTHER, last.position)
        self._suspected = None

    def _lose_place(self, failure: NotInJournalError) -> None:
        """What is to be read is not there: it was cut, or the log is another one."""
        try:
            self._verify()
        except NotInJournalError:
            is_gone = self.last is not None and self._journal.end() < self.last.position
            self._rebuild(same_log.ANOTHER if is_gone else same_log.CUT, failure.after)
        self._has_begun = self._has_begun and self.last is not None

    def _rebuild(self, why: str, what: object) -> None:
        _LOG.error(why, self._journal.name, what)
        with self.lock:
            self.fold, self.last, self._suspected = self._make_fold(), None, None
        self.checkpoint = None
        self._has_begun, self._begun_at = False, BEFORE_THE_FIRST
        self._progress.reached(BEFORE_THE_FIRST)
        if why != same_log.CUT:  # What was sent to a log that was cut stands there, and most of it will be heard of.
            self._writer.on_rebuilt()
        for listener in self._listeners:
            listener.on_rebuilt()
