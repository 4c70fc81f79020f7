"""How would one write the queue without a thought for speed?

Contract: one record a task, sorted afresh for every question. No segments, ranges or heaps: what it has in common with the machine is the
page docs/journal.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PENDING, ACTIVE, SCHEDULED, RETRY, ARCHIVED, COMPLETED = (
    "pending",
    "active",
    "scheduled",
    "retry",
    "archived",
    "completed",
)


@dataclass
class Record:
    """One task."""

    task_id: str
    state: str
    ordinal: int = 0
    due_s: int = 0
    place: tuple[int, int, int] = (-1, -1, -1)
    is_orphaned: bool = False
    returns: int = 0
    key: str = ""
    result: bytes | None = None
    retried: int = 0


@dataclass
class Member:
    """One session."""

    name: int
    credit: int
    heard_ms: int
    owes_ms: int | None = None
    mark: tuple[int, int] = (0, 0)


@dataclass
class Model:
    """The queue."""

    clock_ms: int
    lease_ms: int = 0
    tasks: dict[str, Record] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    locks: dict[str, tuple[str, int]] = field(default_factory=dict)
    next_ordinal: int = 0
    front_ordinal: int = 0
    is_paused: bool = False
    processed: int = 0
    failed: int = 0
    last_served: int = -1
    first_entry: bool = True

    def ids(self, state: str) -> list[str]:
        """Ids in one state, in order."""
        found = [record for record in self.tasks.values() if record.state == state]
        if state == PENDING:
            found.sort(key=lambda record: record.ordinal)
        elif state == ACTIVE:
            found.sort(key=lambda record: (record.place[1], record.place[0], record.place[2]))
        else:
            found.sort(key=lambda record: (record.due_s, record.task_id))
        return [record.task_id for record in found]

    def held(self, name: int) -> list[Record]:
        """What a session holds, in order."""
        records = [self.tasks[task_id] for task_id in self.ids(ACTIVE)]
        return [record for record in records if record.place[0] == name and not record.is_orphaned]

    def orphans(self) -> list[Record]:
        """What nobody holds."""
        return [record for record in self.tasks.values() if record.is_orphaned]

    def pass_ms(self, step_ms: int) -> None:
        """An entry comes after so long."""
        self.clock_ms += step_ms
        self.lease_ms += 0 if self.first_entry else min(step_ms, 10_000)
        self.first_entry = False
        now_s = self.clock_ms // 1000
        for state in (SCHEDULED, RETRY):
            for task_id in self.ids(state):
                if self.tasks[task_id].due_s <= now_s:
                    self.append(self.tasks[task_id])
        for task_id in self.ids(COMPLETED):
            if self.tasks[task_id].due_s <= now_s:
                del self.tasks[task_id]
        self.locks = {key: lock for key, lock in self.locks.items() if lock[1] > self.clock_ms}
        for member in list(self.members.values()):
            is_dormant = not member.credit and not self.held(member.name)
            if self.lease_ms - member.heard_ms >= (720_000 if is_dormant else 30_000):
                self.end(member, counts_returns=True)

    def append(self, record: Record) -> None:
        """To the end of the line."""
        record.state = PENDING
        record.ordinal = self.next_ordinal
        self.next_ordinal += 1

    def end(self, member: Member, *, counts_returns: bool) -> None:
        """A session is over."""
        for record in self.held(member.name):
            record.returns += counts_returns and record.place[1:] >= member.mark
            record.is_orphaned = record.place[1:] < member.mark or (counts_returns and record.returns >= 3)
            if not record.is_orphaned:
                record.state = PENDING
        del self.members[member.name]

    def enqueue(self, task_id: str, due_s: int | None, key: str, ttl_s: int) -> int:
        """One task; gives its outcome."""
        if key and key in self.locks:
            return 1
        if task_id in self.tasks:
            return 2
        record = self.tasks[task_id] = Record(task_id, SCHEDULED, due_s=due_s or 0, key=key)
        if due_s is None or due_s <= self.clock_ms // 1000:
            self.append(record)
        if key:
            self.locks[key] = (task_id, self.clock_ms + ttl_s * 1000)
        return 0

    def drop(self, record: Record) -> None:
        """A task is gone, its lock free."""
        del self.tasks[record.task_id]
        self.unlock(record)

    def first(self, state: str, count: int) -> list[Record]:
        """The first tasks of a state; completed ones a whole second at a time."""
        found = [self.tasks[task_id] for task_id in self.ids(state)]
        if state == COMPLETED:
            while count < len(found) and found[count].due_s == found[count - 1].due_s:
                count += 1
        return found[:count]

    def remove(self) -> None:
        """The queue is gone, but for who serves it."""
        self.tasks, self.locks, self.is_paused, self.processed, self.failed = {}, {}, False, 0, 0

    def unlock(self, record: Record) -> None:
        """Free a lock."""
        if self.locks.get(record.key, ("", 0))[0] == record.task_id:
            del self.locks[record.key]
        record.key = ""

    def leave(self, record: Record, state: str, due_s: int) -> None:
        """An active task waits again."""
        record.state, record.due_s, record.is_orphaned, record.returns = state, due_s, False, 0

    def assign(self, position: int) -> None:
        """Deal pending tasks out, one by one in turns; then let each have its share in one piece."""
        takers = [m for m in self.members.values() if m.credit and self.lease_ms - m.heard_ms <= 20_000]
        takers = [m for m in takers if m.owes_ms is None or self.lease_ms - m.owes_ms <= 3_000]
        takers = [m for m in takers if m.name > self.last_served] + [m for m in takers if m.name <= self.last_served]
        waiting = [] if self.is_paused else self.ids(PENDING)
        if not waiting or not takers:
            return
        shares = dict.fromkeys((member.name for member in takers), 0)
        left = len(waiting)
        while left and (able := [m for m in takers if m.credit > shares[m.name]]):
            for member in able[:left]:
                shares[member.name] += 1
            if left < len(able):
                self.last_served = able[left - 1].name
            left -= min(left, len(able))
        if len(takers) == 1:
            self.last_served = takers[0].name
        for member in takers:
            for index, task_id in enumerate(waiting[: shares[member.name]]):
                record = self.tasks[task_id]
                record.state, record.place = ACTIVE, (member.name, position, index)
            del waiting[: shares[member.name]]
            if shares[member.name]:
                member.credit -= shares[member.name]
                member.owes_ms = self.lease_ms if member.owes_ms is None else member.owes_ms
