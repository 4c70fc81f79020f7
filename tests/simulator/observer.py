"""Which promise was broken?

Contract: the observer folds the log with a machine of its own and checks what that says against books kept in the dullest way: one record
a task, no containers, no ranges. Beside it runs, most of the time, a twin that was restored from a snapshot: it must do the same.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from asynq_compat.machine.applied import Applied, Outcome, Verdict
from asynq_compat.machine.machine import Machine
from asynq_compat.machine.reply import read_reply
from asynq_compat.machine.snapshot import restore, snapshot_sections
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import Frame, decode_frame
from asynq_compat.wire.message import decode_message
from tests.simulator.grouping import Grouping
from tests.simulator.naming import places, strings
from tests.simulator.promises import check_marker, promise
from tests.simulator.sweeping import SWEEPS, see_sweep, where_all_are
from tests.unit.machine.next_release import BURY, NEXT_RELEASE

# Simulated servers keep what is completed for so long.
_RETENTION_S = 5
# How often the whole state is checked, saved and restored.
LOOK_CLOSELY = 0.03


@dataclass(slots=True)
class Book:
    """One task in the observer's books."""

    arrival: int
    is_out_of_line: bool = False  # retried, requeued, run by hand, scheduled: its place is not its arrival
    process_at: int = 0
    unique_key: str = ""
    holder: tuple[int, int, int] | None = None  # session, position, index
    ended_by: str = ""
    group: str = ""
    since_s: int = 0
    in_set: tuple[int, int] | None = None
    given_count: int = 0
    counted_count: int = 0


@dataclass(slots=True)
class SessionBook:
    """One session in the observer's books."""

    writer_id: bytes
    heard_ms: int
    offered: int
    newest_version: int
    leased_ms: int = 0  # When it was heard of, on the lease clock.
    given: int = 0
    mark: tuple[int, int] = (0, 0)
    has_ended: bool = False


@dataclass
class Observer:
    """The one who sees every entry and believes nothing."""

    rng: Random
    machine: Machine = field(default_factory=lambda: Machine("q", versions=NEXT_RELEASE))
    twin: Machine | None = None
    books: dict[str, Book] = field(default_factory=dict)
    sessions: dict[int, SessionBook] = field(default_factory=dict)
    at_place: dict[tuple[int, int, int], str] = field(default_factory=dict)
    locks: dict[str, tuple[str, int]] = field(default_factory=dict)
    applied_frames: set[tuple[bytes, int]] = field(default_factory=set)
    started: Counter[str] = field(default_factory=Counter)
    # Where handlers have begun, so that their processes know.
    begun: set[tuple[int, int, int]] = field(default_factory=set)
    left: set[int] = field(default_factory=set)
    kept_count: int = 0
    sweep_count: int = 0
    grouping: Grouping = field(default_factory=Grouping)
    digests: dict[int, bytes] = field(default_factory=dict)
    clock_steps: list[int] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)
    answers: dict[tuple[bytes, int], list[Outcome]] = field(default_factory=dict)
    asked: set[tuple[bytes, int]] = field(default_factory=set)
    gone: set[tuple[bytes, int]] = field(default_factory=set)
    trails: dict[int, bytes] = field(default_factory=dict)
    has_lost: bool = False
    genesis: tuple[object, object, object] | None = None
    version: int = 1
    refused_count: int = 0
    is_paused: bool = False
    markers: list[tuple[int, int]] = field(default_factory=list)
    arrivals: int = 0
    clock_max_s: int = 0

    def of_what_is_left(self, entries: list[tuple[int, tuple[int, int, bool, bytes]]]) -> Observer:
        """Return an observer that has seen these entries and no others; what was started was started all the same."""
        other = Observer(self.rng, started=self.started, clock_steps=self.clock_steps)
        other.gone = self.gone | self.asked
        other.has_lost = True
        for seen_ms, entry in entries:
            other.see(seen_ms, entry)
        return other

    def see(self, now_ms: int, entry: tuple[int, int, bool, bytes]) -> None:
        """Check one entry."""
        clock_ms = self.machine.clock_ms
        frame = decode_frame(entry[3])
        is_sweep = isinstance(frame, Frame) and frame.commands[0][0] in SWEEPS
        before = where_all_are(self.machine) if is_sweep else {}
        applied = self.machine.apply(*entry)
        if self.twin is not None:
            self.twin.apply(*entry)
            promise(self.twin.trail == self.machine.trail, "a machine that was restored from a snapshot does otherwise")
        went_back_ms = clock_ms - self.machine.clock_ms
        promise(went_back_ms <= 0 or went_back_ms > 600_000, "the clock went back by a small step")
        self._let_time_pass()
        commands = frame.commands if isinstance(frame, Frame) and applied.verdict is Verdict.APPLIED else []
        closed = {command[1] for command in commands if command[0] in (c.CLOSE, c.LEAVE)}
        self._see_ends(now_ms, [name for name in applied.ended if name not in closed])
        if isinstance(frame, Frame) and applied.verdict is Verdict.APPLIED:
            key = (frame.writer_id, frame.sequence)
            promise(key not in self.applied_frames, f"frame {frame.sequence} of a writer was applied twice")
            self.applied_frames.add(key)
            self.answers[key] = applied.outcomes
            if c.ask() in frame.commands:
                self.asked.add(key)
            if is_sweep:
                see_sweep(self, before, frame.commands[0], applied.outcomes[0])
                self.sweep_count += 1
            else:
                self._see_commands(now_ms, frame, applied)
        elif applied.verdict is Verdict.BARE:
            self._see_enqueue(c.enqueue([decode_message(entry[3]).id], [entry[3]]), applied.outcomes[0])
        self._see_ends(0, [name for name in applied.ended if name in closed])
        self._see_assignments(applied)
        self.trails[applied.position] = self.machine.trail
        if self.rng.random() < LOOK_CLOSELY:
            self.check_state()
            self.digests[applied.position] = self.machine.digest()
            self._save_and_restore()

    def _save_and_restore(self) -> None:
        """Make another twin; that of before must have come to the same state."""
        sections = list(snapshot_sections(self.machine, 2_000))
        if self.twin is not None:
            promise(list(snapshot_sections(self.twin, 2_000)) == sections, "equal states have different snapshots")
        self.twin = None
        if self.rng.random() < 0.6:
            self.twin = restore("q", sections, versions=NEXT_RELEASE)
            promise(self.twin.digest() == self.digests[self.machine.position], "a snapshot holds another state")

    def _let_time_pass(self) -> None:
        clock_ms = self.machine.clock_ms
        self.clock_max_s = self.grouping.clock_max_s = max(self.clock_max_s, clock_ms // 1000)
        self.locks = {key: lock for key, lock in self.locks.items() if lock[1] > clock_ms}
        self.kept = {task_id: until_s for task_id, until_s in self.kept.items() if until_s > clock_ms // 1000}

    def _see_ends(self, now_ms: int, ended: list[int]) -> None:
        """Sessions ended; with `now_ms` because their lease ran out, without because they were closed."""
        for name in ended:
            session = self.sessions[name]
            session.has_ended = True
            steps = sum(step_ms >= session.heard_ms for step_ms in self.clock_steps)
            silent_ms = now_ms - session.heard_ms
            promise(
                not now_ms or silent_ms >= 29_000 - 11_000 * steps,
                f"session {name} ended after {silent_ms} ms of silence",
            )
            for task_id, book in self.books.items():
                if book.holder is not None and book.holder[0] == name:
                    self._see_left(session, task_id, book, book.holder)

    def _see_left(self, session: SessionBook, task_id: str, book: Book, place: tuple[int, int, int]) -> None:
        has_started = place[1:] < session.mark
        view = self.machine.task(task_id)
        if view is not None and view.session == place[0] and view.is_orphaned:
            excuse = book.given_count - book.counted_count >= 3
            promise(has_started or excuse, f"{task_id} was orphaned, but its session had not started it")
        else:
            promise(not has_started, f"{task_id} had started and returned uncounted")
            book.holder = None

    def _see_commands(self, now_ms: int, frame: Frame, applied: Applied) -> None:
        session = -1
        for command, outcome in zip(frame.commands, applied.outcomes, strict=True):
            code = command[0]
            if code in (c.OPEN, c.SESSION):
                session = applied.position if code == c.OPEN else int(str(command[1]))
                self._see_session(now_ms, frame.writer_id, session, command, outcome)
            elif code in (c.ENQUEUE, c.ENQUEUE_MORE):
                self._see_enqueue(command, outcome)
            elif code in (c.PAUSE, c.UNPAUSE):
                self.is_paused = code == c.PAUSE
            elif code in (c.RUN, c.ARCHIVE, c.DELETE, BURY):
                self._see_admin(command, outcome)
            elif code == c.ACTIVATE:
                self._see_activation(command, outcome)
            elif code == c.TICK:
                self.is_paused = self.is_paused and self.version == 1
            elif code == c.REPLY:
                reply = read_reply(command)
                key = (reply.writer_id, reply.sequence) if reply is not None else (b"", 0)
                # Who replied may not have seen yet that the frame is gone.
                promise(key in self.asked or key in self.gone, "a reply to a frame that did not ask")
                is_true = reply is not None and self.answers.get(key) == reply.outcomes
                promise(is_true or key in self.gone, "a reply does not say what happened")
            elif code == c.CHECKPOINTED:
                check_marker(self.markers, applied.position, command, outcome)
            elif code == c.AGGREGATE:
                self.grouping.see_sets(self.machine, self.books, applied.position, command, outcome)
            elif code == c.DELETE_SET:
                self._see_end_of_set(command, outcome)
            elif code == c.LEAVE:
                self._see_leave(command, outcome)
            elif code == c.GENESIS:
                self.genesis = self.genesis or (command[1], command[2], command[3])
            elif code not in (c.ASK, c.CLOSE):
                self._see_settle(session, command, outcome)

    def _see_session(self, now_ms: int, writer_id: bytes, session: int, command: c.Command, outcome: object) -> None:
        """A session is opened, or heard of."""
        leased_ms = self.machine.state.clocks.lease_ms
        if command[0] == c.OPEN:
            newest = int(str(command[3]))
            promise((outcome == 0) == (newest >= self.version), f"a session that knows {newest} got {outcome}")
            if outcome == 0:
                self.sessions[session] = SessionBook(writer_id, now_ms, int(str(command[4])), newest, leased_ms)
        elif outcome == 0:
            book = self.sessions[session]
            promise(not book.has_ended, f"session {session} was renewed after its end")
            book.heard_ms, book.leased_ms = now_ms, leased_ms
            book.mark = max(book.mark, (int(str(command[2])), int(str(command[3]))))
            book.offered = max(book.offered + int(str(command[4])), book.given)

    def _see_leave(self, command: c.Command, outcome: object) -> None:
        """Who is the last that takes tasks has to stay; what runs is settled before its session leaves."""
        name = int(str(command[1]))
        others = [one for one in self.sessions if one != name and self._takes_tasks(one)]
        if outcome == 0:
            self.left.add(name)
            promise(others, f"session {name} left its partition, and nobody takes tasks there")
            for task_id, book in self.books.items():
                is_dropped = book.holder is not None and book.holder[0] == name and book.holder in self.begun
                promise(not is_dropped or self.has_lost, f"session {name} left while it ran {task_id}")
        elif outcome == [c.LAST_SESSION]:
            self.kept_count += 1
            promise(not others, f"session {name} had to stay, though others take tasks")

    def _takes_tasks(self, name: int) -> bool:
        """Whether a session has credit or tasks, and was heard of within 20 s of the lease clock."""
        one = self.sessions[name]
        is_heard = self.machine.state.clocks.lease_ms - one.leased_ms <= 20_000
        holds = any(book.holder is not None and book.holder[0] == name for book in self.books.values())
        return not one.has_ended and is_heard and (one.offered > one.given or holds)

    def begins(self, task_id: str, place: tuple[int, int, int]) -> None:
        """Hear from a server that its handler begins; what a session holds that leaves in order has been given back, or is done."""
        promise(place[0] not in self.left or self.has_lost, f"{task_id} begins for session {place[0]}, which has left")
        self.started[task_id] += 1
        self.begun.add(place)

    def _see_activation(self, command: c.Command, outcome: object) -> None:
        live = [session for session in self.sessions.values() if not session.has_ended]
        is_due = self.version == 1 and bool(live) and all(session.newest_version >= 2 for session in live)
        promise((outcome == 0) == is_due, f"an activation gave {outcome}; due: {is_due}")
        if outcome == 0:
            self.version = 2
        elif self.version == 1:
            self.refused_count += 1

    def _see_enqueue(self, command: c.Command, outcome: object) -> None:
        ids = strings(command[1])
        more = [list(column) if isinstance(column, list) else [None] * len(ids) for column in command[3:7]]
        process_at, keys, ttls, groups = more or ([None] * len(ids),) * 4
        codes = [0] * len(ids) if outcome == 0 else outcome
        assert isinstance(codes, list)
        for task_id, at, key, ttl, group, code in zip(ids, process_at, keys, ttls, groups, codes, strict=True):
            held = self.locks.get(str(key)) if key else None
            is_locked = held is not None and held[1] > self.machine.clock_ms
            book = self.books.get(task_id)
            is_taken = (book is not None and not book.ended_by) or task_id in self.kept
            wanted = c.DUPLICATE if is_locked else c.ID_TAKEN if is_taken else c.OK
            promise(code == wanted, f"enqueue of {task_id} gave {code}, the books say {wanted}")
            if code:
                continue
            self.arrivals += 1
            book = Book(self.arrivals, at is not None, int(at or 0), str(key or ""))
            book.group, book.since_s = str(group or ""), self.machine.state.clock_s()
            self.books[task_id] = book
            if key:
                self.locks[str(key)] = (task_id, self.machine.clock_ms + int(str(ttl)) * 1000)

    def _see_end_of_set(self, command: c.Command, outcome: object) -> None:
        if outcome != [c.NO_SUCH_SET] and isinstance(command[3], list):
            self._see_enqueue(command[3], outcome)

        def end(task_id: str) -> None:
            self.end(task_id, "aggregated", frees_lock=True)

        self.grouping.see_end(self.books, command, outcome, end)

    def _see_admin(self, command: c.Command, outcome: object) -> None:
        promise(command[0] != BURY or (outcome == [c.REJECTED]) == (self.version == 1), "the next release's command")
        if outcome == [c.REJECTED]:
            return
        ids = strings(command[1])
        codes = [0] * len(ids) if outcome == 0 else outcome
        assert isinstance(codes, list)
        for task_id, code in zip(ids, codes, strict=True):
            if code:
                continue
            book = self.books[task_id]
            promise(book.holder is None, f"an operator changed {task_id}, which is active")
            promise(not self.grouping.in_live_set(book), f"an operator changed {task_id}, which stands in a set")
            book.is_out_of_line = True
            book.process_at = 0 if command[0] == c.RUN else book.process_at
            if self.kept.pop(task_id, None) is not None:
                book.ended_by = ""
            if command[0] == c.DELETE:
                self.end(task_id, "deleted", frees_lock=True)

    def _see_settle(self, session: int, command: c.Command, outcome: object) -> None:
        code = command[0]
        for place, item_code in places(session, command, outcome):
            if item_code:
                continue
            task_id = self.at_place[place]
            book = self.books[task_id]
            promise(book.holder == place, f"{task_id} was settled at {place}, it was at {book.holder}")
            if code == c.WRITE_RESULT:
                continue
            book.holder = None
            if code in (c.SETTLE_DONE, c.SETTLE_COMPLETE):
                self.end(task_id, "done", frees_lock=True)
                if code == c.SETTLE_COMPLETE:
                    self.kept[task_id] = self.machine.clock_ms // 1000 + _RETENTION_S
            elif code != c.HAND_BACK:
                book.is_out_of_line = True
            if code in (c.RECOVER_RETRY, c.RECOVER_ARCHIVE):
                excuse = book.given_count - book.counted_count >= 3
                # A mark of the log that was says something else in the one that is.
                excuse = excuse or self.has_lost
                promise(self.started[task_id] or excuse, f"{task_id} was recovered, but nobody had started it")
                book.counted_count = book.given_count

    def end(self, task_id: str, how: str, *, frees_lock: bool) -> None:
        """Note that a task is no more."""
        book = self.books[task_id]
        promise(not book.ended_by, f"{task_id} was {how}, it was {book.ended_by} before")
        book.ended_by = how
        if frees_lock and self.locks.get(book.unique_key, ("", 0))[0] == task_id:
            del self.locks[book.unique_key]

    def _see_assignments(self, applied: Applied) -> None:
        promise(not (applied.assignments and self.is_paused), "a paused queue gave out tasks")
        for given in applied.assignments:
            session = self.sessions[given.session]
            session.given += len(given.ids)
            promise(session.given <= session.offered, f"session {given.session} got more than it offered to take")
            for index, task_id in enumerate(given.ids):
                book = self.books[task_id]
                promise(book.process_at <= self.clock_max_s, f"{task_id} was given out early")
                promise(not book.ended_by, f"{task_id} was given out, it was {book.ended_by} before")
                book.given_count += 1
                place = (given.session, applied.position, index)
                if book.holder is not None:
                    promise(
                        self.machine.session(book.holder[0]) is None, f"{task_id} was given out, a live session has it"
                    )
                book.holder = place
                self.at_place[place] = task_id

    def check_state(self, *, is_end: bool = False) -> None:
        """Check what the machine lists against the books."""
        machine = self.machine
        promise(machine.genesis == self.genesis, "the first genesis does not count")
        views = [view for state in TaskState for view in machine.list_tasks(state)]
        known = {view.task_id for view in views}
        promise(len(known) == len(views), "a task is listed twice")
        for view in views:
            promise(machine.task(view.task_id) == view, f"{view.task_id} is listed otherwise than it is found")
            if is_end:
                promise(decode_message(view.message).id == view.task_id, f"{view.task_id} has another task's message")
        alive = {task_id for task_id, book in self.books.items() if not book.ended_by}
        ghosts = sorted(one for one in known - alive if self.books[one].ended_by in ("aggregated", "deleted"))
        promise(not ghosts, f"gone, and listed all the same: {ghosts}")
        # As in Asynq no list shows what stands in a set.
        known |= {one for one in alive if self.books[one].in_set is not None and machine.task(one) is not None}
        missing = sorted(alive - known)
        promise(not missing, f"lost: {missing}")
        pending = [self.books[view.task_id] for view in machine.list_tasks(TaskState.PENDING)]
        arrivals = [book.arrival for book in pending if not book.is_out_of_line]
        promise(arrivals == sorted(arrivals), "pending tasks are out of their order")
        counts = machine.counts()
        told = counts.pending + counts.active + counts.scheduled + counts.retry + counts.archived + counts.completed
        promise(told + counts.aggregating == len(views), "the counts are wrong")
