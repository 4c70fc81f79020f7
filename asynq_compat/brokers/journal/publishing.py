"""Who tells everybody how long the queues are?

Contract: one thread a process, begun when the process has a session. Every 2 s it counts each partition that it speaks for: the one whose
session is first in the order of replies. What has changed since it was told, or was told 30 s ago, goes to the control journal, all of it
in one frame. Nothing waits for it; what cannot be written is told later.
Not obvious: position and clock go on in an idle queue, too (leases are renewed), so they are no change. At the end it tells once more, for
what it said last would be believed until another server comes.
Also not obvious: a queue that was removed, and into which a client that did not hear of it has put tasks since, is announced again here.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from asynq_compat.brokers.journal.following.followed import Control, Partition
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.errors import AsynqError, ServerStateError
from asynq_compat.machine.applied import QueueCounts
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command
from asynq_compat.wire.command import Command

_LOG = logging.getLogger("asynq_compat.journal")

# journal.md 6: every 2 s. What does not change is said again now and then, so that its age tells whether anybody still looks.
PUBLISH_S = 2.0
REPEAT_S = 30.0
_COMMAND_BYTES = 128


class Publisher:
    """Tells of the queues that this process follows.

    Args:
        followed: Gives their partitions.
        control: Gives the control journal.
        monotonic_s: What time it is.
        every_s: How often it looks.
    """

    def __init__(
        self,
        followed: Callable[[], Sequence[Partition]],
        control: Callable[[], Control],
        monotonic_s: Callable[[], float],
        *,
        every_s: float = PUBLISH_S,
    ) -> None:
        self._followed = followed
        self._control = control
        self._monotonic_s = monotonic_s
        self._every_s = every_s
        self._closed = threading.Event()
        self._starting = threading.Lock()  # Guards the thread's making.
        self._thread: threading.Thread | None = None
        # Owned by the thread: by journal, what was told last and when; and what is on its way.
        self._told: dict[str, tuple[QueueCounts, float]] = {}
        self._ticket: Ticket | None = None

    def start(self) -> None:
        """Begin to tell. Legal twice."""
        with self._starting:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run, name="asynq-counts", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Tell what has changed since, then no more; returns when the thread has ended. Legal twice, and before the start."""
        with self._starting:
            self._closed.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(10.0)

    def run_once(self, *, is_last: bool = False) -> None:
        """Look at each partition once; the last time also at those that it spoke for until now, or that nobody speaks for any more."""
        if self._ticket is not None and self._ticket.error is not None:
            self._told.clear()
        elif self._ticket is not None and not self._ticket.is_settled:
            return
        self._ticket = None
        now_s = self._monotonic_s()
        commands = []
        for one in self._followed():
            name = one.journal.name
            is_left = is_last and (name in self._told or _has_no_server(one))
            if one.reply_rank() != 0 and not is_left:
                self._told.pop(name, None)
                continue
            counts, told = _counted(one)
            counts_before, told_at_s = self._told.get(name, (None, 0.0))
            if counts != counts_before or now_s - told_at_s >= REPEAT_S:
                self._told[name] = counts, now_s
                commands.append(told)
            commands += self._announcement(one, counts)
        if commands:
            self._ticket = Ticket(commands, size_bytes=_COMMAND_BYTES * len(commands), task_count=0)
            self._control().writer.submit(self._ticket)

    def _announcement(self, one: Partition, counts: QueueCounts) -> list[Command]:
        """Return what makes a queue known that has tasks and is not known."""
        control = self._control()
        if not control.has_replica or not any(getattr(counts, str(state)) for state in TaskState):
            return []
        with control.replica.lock:
            is_known = one.queue in control.replica.fold.queues()
        return [] if is_known else [command.queue(one.queue, one.count)]

    def _run(self) -> None:
        is_last = False
        while True:
            try:
                self.run_once(is_last=is_last)
            except ServerStateError:
                return  # Closed meanwhile.
            except AsynqError as failure:
                _LOG.warning("the counts of queues were not published: %s", failure)
            except Exception:  # noqa: BLE001 - the top of a thread
                _LOG.exception("publishing the counts of queues failed")
            if is_last:
                return
            is_last = self._closed.wait(self._every_s)


def _has_no_server(one: Partition) -> bool:
    with one.replica.lock:
        return not one.replica.fold.sessions()


def _counted(one: Partition) -> tuple[QueueCounts, Command]:
    with one.replica.lock:
        fold = one.replica.fold
        counts, position, clock_ms, genesis = fold.counts(), fold.position, fold.clock_ms, fold.genesis
    told = command.counts(
        one.queue,
        0 if genesis is None else genesis[1],
        position,
        clock_ms,
        [getattr(counts, name) for name in command.COUNTED],
        is_paused=counts.is_paused,
        oldest_pending_since_ms=counts.oldest_pending_since_ms,
    )
    return counts, told
