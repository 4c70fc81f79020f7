"""Would the simulator notice a wrong keeper, a wrong checkpoint, a wrong cut?

Contract: as mutants.py; these are changes to what writes, finds, loads and cuts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from unittest.mock import patch

from asynq_compat.brokers.journal.following import followed, replica
from asynq_compat.brokers.journal.keeping import checkpointing, cutting
from asynq_compat.brokers.journal.keeping.checkpointing import Marker, Snapshot, Steps
from asynq_compat.journals.journal import READ_BYTES_MAX, READ_COUNT_MAX, Batch, Entry, Journal
from asynq_compat.machine import snapshot
from asynq_compat.machine.applied import Marker as Accepted
from asynq_compat.machine.machine import Machine
from asynq_compat.wire.checkpoint import Confirmed
from tests.simulator.journals import SimulatedJournal

_write, _cut, _restore, _read = checkpointing.write, cutting.cut, snapshot.restore, SimulatedJournal.read


def _cuts_to_its_own_marker(
    journal: Journal, state: Journal, confirmed: Confirmed, before: Accepted | None, stays_from: int
) -> Iterator[str]:
    yield from _cut(journal, state, confirmed, before, stays_from)
    journal.truncate(confirmed.position + 1)


def _cuts_the_newest_chunks(
    journal: Journal, state: Journal, confirmed: Confirmed, before: Accepted | None, stays_from: int
) -> Iterator[str]:
    yield from _cut(journal, state, confirmed, before, stays_from)
    state.truncate(confirmed.first_chunk + 1)


def _cuts_before_it_is_confirmed(taken: Snapshot, state: Journal) -> Steps:
    first = state.end() + 1
    steps = _write(taken, state)
    answer: bool | None = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as end:
            confirmed: Confirmed | None = end.value
            return confirmed
        if isinstance(step, Marker):
            state.truncate(first)
        answer = yield step


def _restored_without(forget: Callable[[Machine], None]) -> Callable[[str, Iterator[bytes]], Machine]:
    def restored(queue: str, sections: Iterator[bytes]) -> Machine:
        machine = _restore(queue, sections)
        forget(machine)
        return machine

    return restored


def _forget_writers(machine: Machine) -> None:
    machine.state.writers.known.clear()


def _forget_marks(machine: Machine) -> None:
    for session in machine.state.sessions.values():
        session.mark = (0, 0)


def _forget_locks(machine: Machine) -> None:
    machine.state.locks.held.clear()


def _forget_markers(machine: Machine) -> None:
    machine.state.markers.last = machine.state.markers.before = None


def _read_jumps(
    self: SimulatedJournal,
    after: int,
    *,
    wait_s: float = 0.0,
    max_count: int = READ_COUNT_MAX,
    max_bytes: int = READ_BYTES_MAX,
) -> Batch:
    return _read(self, max(after, self.log.first - 1), wait_s=wait_s, max_count=max_count, max_bytes=max_bytes)


def _snapshot_of_another_moment(taken: Snapshot, state: Journal) -> Steps:
    entry = taken.entry
    return _write(replace(taken, entry=replace_position(entry)), state)


def replace_position(entry: Entry) -> Entry:
    """Return the entry at another place."""
    return Entry(max(entry.position - 1, 0), entry.timestamp_ms, entry.is_log_time, entry.data)


KEEPING_MUTANTS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "a journal is cut behind the newest marker": lambda: patch.object(cutting, "cut", _cuts_to_its_own_marker),
    "a chunk of the newest checkpoint is cut": lambda: patch.object(cutting, "cut", _cuts_the_newest_chunks),
    "older checkpoints are cut before the new one is confirmed": lambda: patch.object(
        checkpointing, "write", _cuts_before_it_is_confirmed
    ),
    "a checkpoint is written under another position": lambda: patch.object(
        checkpointing, "write", _snapshot_of_another_moment
    ),
    "a checkpoint forgets writers": lambda: patch.object(followed, "restore", _restored_without(_forget_writers)),
    "a checkpoint forgets what was started": lambda: patch.object(
        followed, "restore", _restored_without(_forget_marks)
    ),
    "a checkpoint forgets locks": lambda: patch.object(followed, "restore", _restored_without(_forget_locks)),
    "a checkpoint forgets markers": lambda: patch.object(followed, "restore", _restored_without(_forget_markers)),
    "a reader jumps over what was cut": lambda: patch.object(SimulatedJournal, "read", _read_jumps),
    "another log is not noticed": lambda: patch.object(replica, "is_same_log", lambda *_: True),
}
