"""How do schedulers use the journals?

Contract: as `ports.scheduling`. Entries, histories and claims stand on the control journal, the task of a firing in its queue's.
Not obvious: who claims a firing there makes it, and says so there; whoever finds a claim whose term is over takes it on. That makes a
firing once because its frame goes out under a name that follows from the firing (docs/journal.md, "Firings"): the machine takes one
frame of a writer once, however many send it, and remembers a writer for an hour, twice as long as a firing can be claimed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

from asynq_compat.brokers.journal.firing import fire_frame
from asynq_compat.brokers.journal.following.followed import TIMEOUT_S
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.errors import CorruptDataError
from asynq_compat.machine.control import Claim
from asynq_compat.machine.control.scheduling import TTL_S_MAX
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest
from asynq_compat.ports.scheduling import FIRING_TERM_S, Firing, NotFired
from asynq_compat.wire import scheduling_command as command
from asynq_compat.wire.command import Command
from asynq_compat.wire.schedule import (
    SchedulerEnqueueEvent,
    SchedulerEntry,
    decode_enqueue_event,
    decode_scheduler_entry,
    encode_enqueue_event,
    encode_scheduler_entry,
)

_T = TypeVar("_T")
_ROOM_BYTES = 96
_MS = 1_000
# No claim takes so long: the process stood still.
_SLEPT_S = 600.0


class JournalScheduling:
    """The scheduling port over journals."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions

    def write_entries(self, scheduler_id: str, entries: Sequence[SchedulerEntry], ttl_s: int) -> None:
        """Publish the entries of a scheduler."""
        encoded = [encode_scheduler_entry(entry) for entry in entries]
        self._say(command.scheduler(scheduler_id, encoded, min(ttl_s, TTL_S_MAX)), sum(map(len, encoded)))

    def clear_entries(self, scheduler_id: str) -> None:
        """Withdraw them."""
        self._say(command.scheduler_gone(scheduler_id))

    def record_enqueue_event(self, entry_id: str, event: SchedulerEnqueueEvent) -> None:
        """Note that a periodic task was enqueued."""
        encoded = encode_enqueue_event(event)
        self._say(command.enqueued(entry_id, encoded), len(encoded))

    def clear_history(self, entry_id: str) -> None:
        """Forget what was noted of an entry."""
        self._say(command.history_gone(entry_id))

    def entries(self) -> Sequence[SchedulerEntry]:
        """Return the entries of all schedulers, those of each in Asynq's order: the last one first."""
        control = self._partitions.control
        control.replica.sync(timeout_s=TIMEOUT_S)
        with control.replica.lock:
            told = control.replica.fold.schedulers(self._partitions.clock.now_ns() // 1_000_000)
        return _read([data for one in told for data in reversed(one.entries)], decode_scheduler_entry)

    def enqueue_events(self, entry_id: str, *, start: int, count: int | None) -> Sequence[SchedulerEnqueueEvent]:
        """Return what was noted of an entry, the newest first."""
        control = self._partitions.control
        control.replica.sync(timeout_s=TIMEOUT_S)
        with control.replica.lock:
            told = control.replica.fold.enqueue_events(entry_id)
        end = None if count is None else start + count
        return _read(told[::-1][start:end], decode_enqueue_event)

    def fire(self, request: EnqueueRequest, firing: Firing) -> EnqueueOutcome | NotFired:
        """Claim the firing, store its task, and say that it is made."""
        begun_at_s = self._partitions.clock.monotonic_s()
        claim = self._claimed(firing)
        if claim is None:
            return NotFired.TOO_LATE
        if claim.holder != firing.holder:
            return NotFired.ELSEWHERE if claim.is_made else NotFired.UNDER_WAY
        if self._partitions.clock.monotonic_s() - begun_at_s > _SLEPT_S:
            return (
                NotFired.UNDER_WAY
            )  # Of this process's past: it may be so late that the machine has forgotten the frame of who took over.
        outcome = fire_frame(self._partitions, request, _name_of(firing))
        if not claim.is_made:
            self._say(command.fired(firing.entry, firing.instant_s), len(firing.entry))
        return outcome

    def _claimed(self, firing: Firing) -> Claim | None:
        """Claim a firing, unless it is known to be made; return whose it is now."""
        control = self._partitions.control
        with control.replica.lock:
            known = control.replica.fold.claim(firing.entry, firing.instant_s)
        if known is not None and known.is_made:
            return known
        wish = command.claim(firing.entry, firing.instant_s, firing.holder, FIRING_TERM_S * _MS)
        control.commit([wish], size_bytes=_ROOM_BYTES + len(firing.entry), needs_outcomes=True)
        with control.replica.lock:
            return control.replica.fold.claim(firing.entry, firing.instant_s)

    def _say(self, said: Command, size_bytes: int = 0) -> None:
        self._partitions.control.commit([said], size_bytes=_ROOM_BYTES + size_bytes, needs_outcomes=False)


def _name_of(firing: Firing) -> bytes:
    """Return the writer id of a firing."""
    return hashlib.blake2b(f"{firing.instant_s}:{firing.entry}".encode(), digest_size=16).digest()


def _read(told: Sequence[bytes], decode: Callable[[bytes], _T]) -> list[_T]:
    """Return what can be read."""
    found = []
    for data in told:
        try:
            found.append(decode(data))
        except CorruptDataError:
            continue
    return found
