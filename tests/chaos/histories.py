"""What became of each task, by the journal itself?

Contract: fed every entry of a queue's journal from the first on. The machine says what each command did; from that alone, without a look
at its state, every task gets a history of being given and settled, and what cannot be is a problem in words.
Not obvious: within one entry sessions end first (their lease), then come the commands in order, then what is assigned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from asynq_compat.journals.journal import Entry
from asynq_compat.machine.applied import Applied, Outcome, Verdict
from asynq_compat.machine.machine import Machine
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import decode_frame

DONE, COMPLETED, ARCHIVED, RECOVERED_ARCHIVED = "done", "completed", "archived", "archived by a recoverer"
_ENDS = {c.SETTLE_DONE: DONE, c.SETTLE_COMPLETE: COMPLETED, c.SETTLE_ARCHIVE: ARCHIVED}
# How a server words it.
DEATH = "worker process "
_BACK = (c.SETTLE_REQUEUE, c.HAND_BACK)
_LEFT = (c.CLOSE, c.LEAVE)
# A task that comes back so often without a sign that it was started may be what kills its workers.
_RETURNS_MAX = 3

# session, position of the assignment, place in it
Grant = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Retry:
    """A failure that was counted: the `attempt` (from 0), by whom, and whether it was known to have been started.

    `of_death`: the process died in which its server had its handler run.
    """

    attempt: int
    by_recoverer: bool
    was_started: bool
    of_death: bool = False


@dataclass(slots=True)
class Life:
    """What happened to one task.

    Attributes:
        grant: By which a session has it, or had it when it ended.
        ends: Settlements after which nothing more may come.
        last_was_started: Whether its last recovery was that of a task known to have been started.
        retries: In order.
        ended_by_death: Whether it was archived since the process died in which its server had its handler run.
        return_count: Ends of sessions that returned it unstarted, since it was last settled.
    """

    grant: Grant | None = None
    ends: list[str] = field(default_factory=list)
    retries: list[Retry] = field(default_factory=list)
    return_count: int = 0
    last_was_started: bool = False
    ended_by_death: bool = False


class Histories:
    """Those of one queue, as far as it was fed.

    Attributes:
        machine: A fold of all entries from the first on.
        lives: By task id.
        verdicts: How many entries were taken for what.
        expired: Servers whose lease ran out, by their ids.
        problems: Whole sentences.
    """

    def __init__(self, queue: str) -> None:
        self.machine = Machine(queue)
        self.lives: dict[str, Life] = {}
        self.verdicts: Counter[str] = Counter()
        self.expired: set[str] = set()
        self.problems: list[str] = []
        self._given: dict[tuple[int, int], Sequence[str]] = {}
        self._marks: dict[int, tuple[int, int]] = {}
        self._held: dict[
            int, dict[str, Grant]
        ] = {}  # By session: what was given to it and neither settled nor returned.
        self._servers: dict[int, str] = {}  # By session.
        self._at = -1

    def take(self, entry: Entry) -> None:
        """Take the next entry."""
        self._at = entry.position
        applied = self.machine.apply(entry.position, entry.timestamp_ms, entry.is_log_time, entry.data, entry.headers)
        self.verdicts[applied.verdict.value] += 1
        if applied.verdict is Verdict.REFUSED:
            self._wrong(f"a frame was refused: {applied.notes}")
        frame = decode_frame(entry.data) if applied.verdict is Verdict.APPLIED else None
        commands = [] if frame is None or isinstance(frame, str) else frame.commands
        closed = {
            one[1] for one, outcome in zip(commands, applied.outcomes, strict=True) if one[0] in _LEFT and outcome == 0
        }
        for session in applied.ended:
            if session not in closed:
                self.expired.add(self._servers[session])
                self._end(session, is_expired=True)
        self._take_commands(commands, applied)
        for assigned in applied.assignments:
            self._given[assigned.session, self._at] = assigned.ids
            for index, task_id in enumerate(assigned.ids):
                self._give(task_id, (assigned.session, self._at, index))

    def _take_commands(self, commands: Sequence[c.Command], applied: Applied) -> None:
        session = -1
        for command, outcome in zip(commands, applied.outcomes, strict=True):
            code, items = command[0], list[Any](command[1:])  # Of the layout that the machine has accepted.
            if outcome == [c.REJECTED]:
                self._wrong(f"a command was rejected: {applied.notes}")
            elif code == c.OPEN:
                session = self._at
                self._servers[session] = items[0]
            elif code == c.SESSION:
                session, position, index, _ = items
                if outcome == 0:
                    self._marks[session] = max(self._marks.get(session, (0, 0)), (position, index))
            elif code in _LEFT and outcome == 0:
                self._end(items[0], is_expired=False)
            elif code in (c.ENQUEUE, c.ENQUEUE_MORE):
                self._enter(items[0], outcome)
            elif code in (c.SETTLE_DONE, c.SETTLE_COMPLETE, *_BACK):
                for position, lo, hi in _accepted_ranges(items[0], outcome):
                    for index in range(lo, hi):
                        self._settle((session, position, index), None if code in _BACK else _ENDS[code])
            elif code in (c.SETTLE_RETRY, c.SETTLE_ARCHIVE):
                for item in _accepted(items[0], outcome):
                    is_retry = code == c.SETTLE_RETRY
                    self._settle_failed(
                        (session, item[0], item[1]),
                        item[4] if is_retry else None,
                        _ENDS.get(code),
                        of_death=item[3 if is_retry else 2].startswith(DEATH),
                    )
            elif code in (c.RECOVER_RETRY, c.RECOVER_ARCHIVE):
                for item in _accepted(items[0], outcome):
                    self._recover(
                        (item[0], item[1], item[2]),
                        item[5] if code == c.RECOVER_RETRY else None,
                        is_end=code == c.RECOVER_ARCHIVE,
                    )

    def _enter(self, ids: Sequence[str], outcome: Outcome) -> None:
        codes = outcome if isinstance(outcome, list) else [c.OK] * len(ids)
        for task_id, code in zip(ids, codes, strict=True):
            if code == c.OK and task_id in self.lives:
                self._wrong(f"task {task_id} was enqueued again")
            elif code == c.OK:
                self.lives[task_id] = Life()

    def _give(self, task_id: str, grant: Grant) -> None:
        life = self.lives[task_id]
        if life.grant is not None:
            self._wrong(f"task {task_id} was given to session {grant[0]} while session {life.grant[0]} had it")
        if life.ends:
            self._wrong(f"task {task_id} was given after its end")
        life.grant = grant
        self._held.setdefault(grant[0], {})[task_id] = grant

    def _end(self, session: int, *, is_expired: bool) -> None:
        """A session has ended: what it had not started returns."""
        held = self._held.get(session, {})
        for task_id, grant in list(held.items()):
            life = self.lives[task_id]
            if not self._has_started(grant):
                life.return_count += is_expired
                if life.return_count < _RETURNS_MAX:
                    self._let_go(task_id, grant)

    def _settle(self, grant: Grant, end: str | None) -> None:
        """A settlement of a session was accepted: `end`, or None where the task only goes back."""
        task_id = self._let_go_at(grant)
        if task_id is not None and end is not None:
            self._finish(task_id, end)

    def _settle_failed(self, grant: Grant, retried: int | None, end: str | None, *, of_death: bool) -> None:
        task_id = self._let_go_at(grant)
        if task_id is None:
            return
        self.lives[task_id].return_count = 0
        if end is not None:
            self.lives[task_id].ended_by_death = of_death
            self._finish(task_id, end)
        elif retried is not None:
            self._count_retry(task_id, retried, by_recoverer=False, was_started=True, of_death=of_death)

    def _recover(self, grant: Grant, retried: int | None, *, is_end: bool) -> None:
        was_started = self._has_started(grant)
        task_id = self._let_go_at(grant)
        if task_id is None:
            return
        life = self.lives[task_id]
        if not was_started and life.return_count < _RETURNS_MAX:
            self._wrong(f"task {task_id} was recovered from session {grant[0]}, which never said that it was started")
        life.return_count = 0
        life.last_was_started = was_started
        if is_end:
            self._finish(task_id, RECOVERED_ARCHIVED)
        elif retried is not None:
            self._count_retry(task_id, retried, by_recoverer=True, was_started=was_started)

    def _count_retry(
        self, task_id: str, retried: int, *, by_recoverer: bool, was_started: bool, of_death: bool = False
    ) -> None:
        retries = self.lives[task_id].retries
        if retried != len(retries) + 1:
            self._wrong(f"task {task_id} had {len(retries)} retries, and then {retried}")
        retries.append(Retry(len(retries), by_recoverer, was_started, of_death))

    def _finish(self, task_id: str, end: str) -> None:
        ends = self.lives[task_id].ends
        ends.append(end)
        if len(ends) > 1:
            self._wrong(f"task {task_id} was settled more than once: {', '.join(ends)}")

    def _has_started(self, grant: Grant) -> bool:
        session, position, index = grant
        return (position, index) < self._marks.get(session, (0, 0))

    def _let_go_at(self, grant: Grant) -> str | None:
        session, position, index = grant
        ids = self._given.get((session, position), ())
        if index >= len(ids) or self.lives[ids[index]].grant != grant:
            self._wrong(
                f"what session {session} was given at {position}, place {index}, was settled and it does not have it"
            )
            return None
        self._let_go(ids[index], grant)
        return ids[index]

    def _let_go(self, task_id: str, grant: Grant) -> None:
        self.lives[task_id].grant = None
        del self._held[grant[0]][task_id]

    def _wrong(self, what: str) -> None:
        self.problems.append(f"entry {self._at}: {what}")


def _accepted(items: Sequence[Sequence[Any]], outcome: Outcome) -> Iterator[Sequence[Any]]:
    """Yield the items whose outcome is OK."""
    codes = outcome if isinstance(outcome, list) else [c.OK] * len(items)
    yield from (item for item, code in zip(items, codes, strict=True) if code == c.OK)


def _accepted_ranges(items: Sequence[Sequence[int]], outcome: Outcome) -> Iterator[tuple[int, int, int]]:
    """Yield what was accepted of ranges, as ranges."""
    codes = outcome if isinstance(outcome, list) else [c.OK] * len(items)
    for (position, lo, hi, *_), code in zip(items, codes, strict=True):
        if code == c.OK:
            yield position, lo, hi
        elif isinstance(code, list):
            yield from ((position, lo + offset, lo + offset + 1) for offset, one in enumerate(code) if one == c.OK)
