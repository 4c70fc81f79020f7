"""How does a queue follow from its journal?

Contract: pure, total, deterministic: `apply` takes every entry of one partition in order; no bytes make it raise; equal entries give
equal states. Time and chance come with the entries. One thread at a time, for questions too.
"""

from __future__ import annotations

from asynq_compat.machine import credit, describe, due, views
from asynq_compat.machine.applied import (
    Applied,
    Marker,
    OrphanedTask,
    Outcome,
    QueueCounts,
    SessionView,
    SetView,
    TaskView,
    Verdict,
)
from asynq_compat.machine.bare import enqueue_bare
from asynq_compat.machine.containers.attic import Attic
from asynq_compat.machine.containers.groups import SetName
from asynq_compat.machine.markers import Footprints, check_of, trail_after
from asynq_compat.machine.state import State
from asynq_compat.machine.step import Step
from asynq_compat.machine.versions import VERSIONS, Versions
from asynq_compat.machine.writer import Turn
from asynq_compat.rules.patience import Patience
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from asynq_compat.wire.bare import Headers
from asynq_compat.wire.frame import decode_frame, is_frame


class Machine:
    """One partition of one queue.

    Args:
        queue: Name of the queue.
        accepts_issuer_time: Let timestamps given by clients move the clock (tests only).
        state: What it knows already; becomes the machine's.
        versions: The machine versions that it knows.
        attic: Takes the messages of a long backlog; without one they stay in memory.
    """

    def __init__(
        self,
        queue: str,
        *,
        accepts_issuer_time: bool = False,
        state: State | None = None,
        versions: Versions = VERSIONS,
        attic: Attic | None = None,
    ) -> None:
        self.queue = queue
        self._accepts_issuer_time = accepts_issuer_time
        self._state = State() if state is None else state
        self._state.pending.attic = attic
        self._versions = versions
        self._footprints = Footprints()
        self._footprints.add(self._state.position, self._state.trail)

    def apply(
        self,
        position: int,
        timestamp_ms: int,
        is_log_time: bool,  # noqa: FBT001 - called once an entry, mirrors its fields
        data: bytes,
        headers: Headers = (),
    ) -> Applied:
        """Take the next entry.

        Args:
            position: Above that of every entry before; gaps are normal.
            timestamp_ms: The entry's timestamp, Unix milliseconds.
            is_log_time: Whether the log gave the timestamp (LogAppendTime), not the writer.
            data: A frame or a bare record.
            headers: Of the record; a frame needs none.
        """
        state = self._state
        if position <= state.position:
            note = f"entry {position} came after entry {state.position}: ignored"
            return Applied(position, None, 0, Verdict.REFUSED, [], [], [], [note])
        state.position = position
        step = Step(position)
        note_of_clock = state.clocks.advance(timestamp_ms, counts=is_log_time or self._accepts_issuer_time)
        if note_of_clock:
            step.notes.append(f"entry {position}: {note_of_clock}")
        due.pass_time(state, step)
        applied = Applied(position, None, 0, Verdict.UNREADABLE, [], [], step.ended, step.notes)
        check = check_of(data, headers)
        if is_frame(data):
            self._apply_frame(step, applied, data, check)
        else:
            outcome = enqueue_bare(state, step, self.queue, data, headers)
            if outcome is not None:
                applied.verdict = Verdict.BARE
                applied.outcomes = [[outcome] if outcome else 0]
        applied.assignments = credit.assign(state)
        told = [*step.ended, *((given.session, len(given.ids)) for given in applied.assignments)]
        entry = (position, timestamp_ms, is_log_time, check)
        state.trail = trail_after(state.trail, entry, applied.verdict, applied.outcomes, told)
        self._footprints.add(position, state.trail)
        return applied

    def _apply_frame(self, step: Step, applied: Applied, data: bytes, check: int) -> None:
        state = self._state
        frame = decode_frame(data)
        if isinstance(frame, str):
            state.skipped.unreadable += 1
            step.notes.append(f"entry {step.position} was skipped: {frame}")
            return
        applied.writer_id = frame.writer_id
        applied.sequence = frame.sequence
        turn = state.writers.take(frame.writer_id, frame.sequence, check, state.clocks.lease_ms)
        if turn is Turn.DUPLICATE:
            applied.verdict = Verdict.DUPLICATE
            applied.answer = state.writers.answer(frame.writer_id, frame.sequence)
        elif turn is Turn.NEXT:
            applied.verdict = Verdict.APPLIED
            step.writer_id = frame.writer_id
            applied.outcomes = [self._apply_command(step, command) for command in frame.commands]
            applied.replies = step.replies
            applied.marker = step.marker
            if step.marker is not None:
                self._footprints.compare(step.marker)
            if step.asks:
                applied.answer = state.writers.known[frame.writer_id].answer = applied.outcomes
        else:
            applied.verdict = Verdict.REFUSED
            step.notes.append(f"entry {step.position} was refused: {turn.value}, writer {frame.writer_id.hex()}")

    def _apply_command(self, step: Step, command: c.Command) -> Outcome:
        code = command[0]
        transitions = self._versions.get(self._state.version, {})
        transition = transitions.get(code) if isinstance(code, int) else None
        outcome = transition(self._state, step, command) if transition is not None else None
        if outcome is None:
            step.notes.append(f"entry {step.position}: a command with code {code} was rejected")
            return [c.REJECTED]
        return outcome

    @property
    def state(self) -> State:
        """What it remembers: to be saved, not to be asked or changed."""
        return self._state

    @property
    def position(self) -> int:
        """Position of the last entry applied; -1 before the first."""
        return self._state.position

    @property
    def genesis(self) -> tuple[bytes, int, int] | None:
        """journal_id, partition, partition_count of the genesis that counts; None before it."""
        return self._state.genesis

    @property
    def clock_ms(self) -> int:
        """The queue's time, Unix ms; 0 before the first entry."""
        return self._state.clocks.clock_ms

    @property
    def lease_clock_ms(self) -> int:
        """The lease clock, ms since the first entry, without outages."""
        return self._state.clocks.lease_ms

    def next_due_ms(self) -> int | None:
        """Clock at which a tick would change something or has to keep leases moving; None while nothing is due ever."""
        return due.next_due_ms(self._state)

    def unsupported_version(self) -> int | None:
        """The journal's machine version if this release does not know it: stop, "upgrade this process"."""
        version = self._state.version
        return None if version in self._versions else version

    @property
    def trail(self) -> bytes:
        """The check value of the whole way to this state, 16 bytes; see `markers`."""
        return self._state.trail

    @property
    def marker(self) -> Marker | None:
        """The last accepted marker."""
        return self._state.markers.last

    @property
    def marker_before(self) -> Marker | None:
        """The marker accepted before the last: what lies below both may be cut."""
        return self._state.markers.before

    def divergence(self) -> str | None:
        """Return how an accepted marker contradicts what was folded here: stop, say so and fold anew; None while none does."""
        return self._footprints.divergence

    def writer_sequence(self, writer_id: bytes) -> int:
        """Sequence of the writer's last applied frame; 0 for a writer that is not known (any more)."""
        writer = self._state.writers.known.get(writer_id)
        return writer.sequence if writer is not None else 0

    def answer(self, writer_id: bytes, sequence: int) -> list[Outcome] | None:
        """Return the outcomes that a writer's last frame asked for; None if its last frame is another one, or did not ask."""
        return self._state.writers.answer(writer_id, sequence)

    def session(self, name: int) -> SessionView | None:
        """Return a live session; None when it has ended or never was."""
        found = self._state.sessions.get(name)
        return None if found is None else views.session_view(self._state, found)

    def sessions(self) -> list[SessionView]:
        """Return all live sessions, oldest first."""
        return [views.session_view(self._state, found) for found in self._state.sessions.values()]

    def rank(self, name: int) -> int | None:
        """Return 0 for the keeper, 1 for the next, ...; None for a session that is dormant or has ended."""
        ranks = views.ranking(self._state)
        return ranks.index(name) if name in ranks else None

    def reply_rank(self, name: int) -> int | None:
        """Return after how many others a session replies to who asks; unlike `rank` it counts dormant sessions, behind the rest."""
        ranks = views.reply_ranking(self._state)
        return ranks.index(name) if name in ranks else None

    def keeper(self) -> int | None:
        """Return the session whose turn it is to look after the journal."""
        return next(iter(views.ranking(self._state)), None)

    def orphans(self, rank: int) -> list[OrphanedTask]:
        """Return the orphans that the session of this rank should settle now: all for 0, else those older than rank x 30 s."""
        return views.orphans(self._state, rank)

    def is_paused(self) -> bool:
        """Return whether the queue is paused."""
        return self._state.is_paused

    def pending_count(self) -> int:
        """Return how many tasks are pending; cheap."""
        return self._state.pending.count

    def counts(self) -> QueueCounts:
        """Return the queue's statistics."""
        return views.counts(self._state)

    def history(self, day: int) -> tuple[int, int]:
        """Return (processed, failed) of a UTC day, counted in days since 1970-01-01."""
        return self._state.counters.day(day, self._state.clocks.clock_ms)

    def task(self, task_id: str) -> TaskView | None:
        """Return one task."""
        return views.task_view(self._state, task_id)

    def active_since_ms(self, session: int, position: int, index: int) -> int | None:
        """Return since when a session's task had been pending before it was assigned, Unix ms; None when it is not known."""
        return views.active_since_ms(self._state, session, position, index)

    def list_tasks(self, state: TaskState, start: int = 0, count: int | None = None) -> list[TaskView]:
        """Return tasks in `state`, skipping `start`, at most `count`.

        Order: pending: next first; active: oldest first; aggregating: by group; scheduled, retry, archived, completed, and in a group: by
        (due_at, id).
        """
        return views.list_tasks(self._state, state, start, count)

    def groups(self) -> list[tuple[str, int]]:
        """Return the groups in which tasks wait, and how many in each, by name."""
        return self._state.groups.sizes()

    def list_group(self, group: str, start: int = 0, count: int | None = None) -> list[TaskView]:
        """Return tasks that wait in a group, skipping `start`, at most `count`; by (due_at, id)."""
        return views.list_group(self._state, group, start, count)

    def due_groups(self, patience: Patience, now_s: int) -> list[tuple[str, int]]:
        """Return the groups of which a set is to be made at `now_s`, and since when each is, Unix seconds."""
        return views.due_groups(self._state, patience, now_s)

    def aggregation_set(self, name: SetName) -> SetView | None:
        """Return a set of tasks that are about to become one; None when it was deleted or its time is over."""
        return views.aggregation_set(self._state, name)

    def places(self, state: TaskState, count: int | None) -> list[tuple[int, str]]:
        """Return what the first `count` tasks of `list_tasks` are ordered by."""
        return views.places(self._state, state, count)

    def lock_holder(self, unique_key: str) -> str | None:
        """Return the id of the task that holds a uniqueness lock."""
        lock = self._state.locks.held.get(unique_key)
        return lock[0] if lock is not None else None

    def digest(self) -> bytes:
        """Return 16 bytes that are equal for equal states: the seal of the last section of a snapshot. Walks everything."""
        from asynq_compat.machine.snapshot import digest, snapshot_sections  # Which makes machines.

        return digest(snapshot_sections(self))

    def describe(self) -> str:
        """Return the state in words, for logs and failing tests."""
        return describe.describe(self._state, self.queue)
