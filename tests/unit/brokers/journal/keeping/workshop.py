"""How do these tests fill a journal, and write checkpoints of it?

Contract: journals in memory with names of their own; a checkpoint can be left unfinished behind any step.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from asynq_compat.brokers.journal.keeping.checkpointing import Snapshot, drive
from asynq_compat.brokers.journal.keeping.checkpoints import Checkpoints, Restored
from asynq_compat.brokers.journal.keeping.cutting import cut
from asynq_compat.journals.journal import BEFORE_THE_FIRST, Entry, queue_journal_name, state_journal_name
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.machine.machine import Machine
from asynq_compat.machine.snapshot import restore, snapshot_sections
from asynq_compat.wire import command
from asynq_compat.wire.checkpoint import Confirmed
from asynq_compat.wire.command import Command
from asynq_compat.wire.frame import encode_frame

NAME = queue_journal_name("q")
SECTION_BYTES = 400


class KilledError(Exception):
    """The process that wrote a checkpoint died."""


def kill_behind(step: str, count: int = 1) -> Callable[[str], None]:
    """Return what dies when a step is done for the `count`-th time."""
    left = [count]

    def at(done: str) -> None:
        left[0] -= done == step
        if done == step and not left[0]:
            raise KilledError

    return at


@dataclass
class Workshop:
    """A journal, that of its checkpoints, and a machine that has read all of it."""

    store: MemoryJournalStore = field(default_factory=lambda: MemoryJournalStore(uuid.uuid4().hex))
    machine: Machine = field(default_factory=lambda: Machine("q"))
    last: Entry | None = None

    def __post_init__(self) -> None:
        self.journal = self.store.open(NAME)
        self.state = self.store.open(state_journal_name(NAME))

    def append(self, *commands: Command) -> object:
        """Write one frame and apply it; return the outcomes of its commands."""
        self.journal.append(encode_frame(os.urandom(16), 1, list(commands)))
        return self.follow()

    def fill(self, count: int = 5) -> None:
        """Enqueue some tasks, a frame each."""
        for _ in range(count):
            task_id = str(uuid.uuid4())
            self.append(command.enqueue([task_id], [task_id.encode() * 3]))

    def follow(self) -> object:
        """Apply what is new; return the outcomes of the last entry."""
        outcomes: object = None
        for entry in self.journal.read(self.machine.position, wait_s=0).entries:
            outcomes = self.machine.apply(*_fields(entry)).outcomes
            self.last = entry
        return outcomes

    def snapshot(self) -> Snapshot:
        """Return the state as it is."""
        assert self.last is not None
        sections = list(snapshot_sections(self.machine, SECTION_BYTES))
        return Snapshot(os.urandom(16), self.last, self.machine.trail, sections)

    def mark(self, marker: Command) -> bool:
        """Put a marker into the journal."""
        return self.append(marker) == [0]

    def checkpoint(
        self, snapshot: Snapshot | None = None, at: Callable[[str], None] = lambda _: None, *, stays_from: int = 10**9
    ) -> Confirmed | None:
        """Write a checkpoint and cut."""
        confirmed = drive(snapshot or self.snapshot(), self.state, self.mark, at)
        if confirmed is not None:
            for step in cut(self.journal, self.state, confirmed, self.machine.marker_before, stays_from):
                at(step)
        return confirmed

    def load(self) -> Restored[Machine] | None:
        """Load as a new replica would."""
        of_queue = Checkpoints(self.store, NAME, snapshot_sections, lambda sections: restore("q", sections))
        return of_queue.load(self.journal, lambda _: None)

    def begin(self) -> Machine:
        """Return the machine of a new replica that has read everything."""
        restored = self.load()
        machine = restored.fold if restored is not None else Machine("q")
        after = machine.position if restored is not None else BEFORE_THE_FIRST
        for entry in self.journal.read(after, wait_s=0).entries:
            machine.apply(*_fields(entry))
        return machine


def _fields(entry: Entry) -> tuple[int, int, bool, bytes]:
    return entry.position, entry.timestamp_ms, entry.is_log_time, entry.data
