"""In which order do tasks wait?

Contract: pure containers. `PendingQueue` orders by ordinal, `DueIndex` by (second, id). Each answers in the order of its keys, whatever
the order in which they came.
Not obvious: no record per task. A `Segment` is what one frame enqueued; what waits of it are `Run`s, slices of the segment.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, nsmallest

from asynq_compat.machine.containers.attic import Attic, PutAside
from asynq_compat.rules.task_state import TaskState

# Small frames, none of more bytes, share a segment up to this length: one container for many single tasks.
SEGMENT_LENGTH_AIM = 512
_JOINS_BYTES_MAX = 64 * 1024
_COMPACT_FROM = 64
# The first of so many times more are found without sorting all.
_FEW = 64
# What has so many tasks before it waits far behind; what is as large as that, too, if any is before it.
RESIDENT_TASKS = 16_384
LARGE_BYTES = 1024 * 1024


@dataclass(slots=True, eq=False)
class Segment:
    """Tasks enqueued one behind the other; the task at `index` has ordinal `ordinal + index`.

    Attributes:
        since: (first index, clock in ms): from when the tasks from this index on have been pending; None: not known.
    """

    ids: list[str]
    messages: list[bytes] | PutAside
    ordinal: int
    since: list[tuple[int, int | None]]

    def index_of(self, task_id: str) -> int:
        """Return where a pending task stands: its last place, since an id may come again after its first task is gone."""
        return len(self.ids) - 1 - self.ids[::-1].index(task_id)

    def since_ms(self, index: int) -> int | None:
        """Return from when the task at `index` has been pending."""
        return self.since[bisect_right(self.since, index, key=_first) - 1][1]

    def since_marks(self, lo: int, hi: int) -> list[tuple[int, int | None]]:
        """Return from which index on tasks `lo` to `hi - 1` have been pending since when."""
        start = bisect_right(self.since, lo, key=_first) - 1
        end = bisect_left(self.since, hi, key=_first)
        return [(max(first, lo), since_ms) for first, since_ms in self.since[start:end]]


Part = tuple[Segment, int, int]


def _first(mark: tuple[int, int | None]) -> int:
    return mark[0]


@dataclass(slots=True, eq=False)
class Run:
    """Pending tasks `lo` to `hi - 1` of a segment."""

    segment: Segment
    lo: int
    hi: int


def _start(run: Run) -> int:
    return run.segment.ordinal + run.lo


@dataclass(slots=True, eq=False)
class PendingQueue:
    """The tasks that wait for a worker, by ordinal; what waits far behind has its messages in the attic, if there is one."""

    runs: deque[Run] = field(default_factory=deque)
    attic: Attic | None = None
    count: int = 0
    next_ordinal: int = 0
    front_ordinal: int = 0

    def append(self, ids: list[str], messages: list[bytes], since_ms: int | None) -> Segment:
        """Put tasks at the end; the lists become the queue's."""
        size = len(ids)
        ordinal = self.next_ordinal
        self.next_ordinal += size
        if self.runs:
            last = self.runs[-1]
            segment = last.segment
            length = len(segment.ids)
            held = segment.messages
            if (
                last.hi == length
                and length + size <= SEGMENT_LENGTH_AIM
                and segment.ordinal + length == ordinal
                and isinstance(held, list)
                and sum(map(len, messages)) <= _JOINS_BYTES_MAX
            ):
                segment.ids += ids
                held += messages
                self.count += size
                last.hi += size
                if segment.since[-1][1] != since_ms:
                    segment.since.append((length, since_ms))
                return segment
        self.put_aside_last()
        self.count += size
        segment = Segment(ids, messages, ordinal, [(0, since_ms)])
        self.runs.append(Run(segment, 0, size))
        return segment

    def put_aside_last(self) -> None:
        """Put the messages of the last run into the attic if it waits far behind: another one comes, so that it grows no more."""
        if self.attic is None or len(self.runs) < 2:
            return
        last = self.runs[-1]
        messages = last.segment.messages
        is_far = self.count - (last.hi - last.lo) >= RESIDENT_TASKS
        if isinstance(messages, list) and (is_far or sum(map(len, messages)) >= LARGE_BYTES):
            last.segment.messages = self.attic.put(messages) or messages

    def push_front(self, ids: list[str], messages: list[bytes]) -> Segment:
        """Put tasks before all others, the first of the lists first."""
        self.front_ordinal -= len(ids)
        self.count += len(ids)
        segment = Segment(ids, messages, self.front_ordinal, [(0, None)])
        self.runs.appendleft(Run(segment, 0, len(ids)))
        return segment

    def take(self, count: int) -> list[Part]:
        """Remove the first `count` tasks (there must be as many)."""
        parts: list[Part] = []
        self.count -= count
        while count:
            run = self.runs[0]
            size = run.hi - run.lo
            if size <= count:
                self.runs.popleft()
                parts.append((run.segment, run.lo, run.hi))
                count -= size
            else:
                parts.append((run.segment, run.lo, run.lo + count))
                run.lo += count
                break
        return parts

    def restore(self, segment: Segment, lo: int, hi: int) -> None:
        """Put tasks back to the place of their ordinals."""
        self.count += hi - lo
        runs = self.runs
        at = bisect_left(runs, segment.ordinal + lo, key=_start)
        before = runs[at - 1] if at else None
        after = runs[at] if at < len(runs) else None
        joins_before = before is not None and before.segment is segment and before.hi == lo
        if after is not None and after.segment is segment and after.lo == hi:
            if joins_before and before is not None:
                before.hi = after.hi
                del runs[at]
            else:
                after.lo = lo
        elif joins_before and before is not None:
            before.hi = hi
        else:
            runs.insert(at, Run(segment, lo, hi))

    def remove(self, segment: Segment, index: int) -> None:
        """Take one task out of the middle."""
        runs = self.runs
        at = bisect_right(runs, segment.ordinal + index, key=_start) - 1
        run = runs[at]
        self.count -= 1
        if run.lo == index:
            run.lo += 1
            if run.lo == run.hi:
                del runs[at]
        elif run.hi == index + 1:
            run.hi -= 1
        else:
            runs.insert(at + 1, Run(segment, index + 1, run.hi))
            run.hi = index

    def parts(self) -> Iterator[Part]:
        """Give what waits, first to last."""
        return ((run.segment, run.lo, run.hi) for run in self.runs)


@dataclass(slots=True, eq=False)
class TimedTask:
    """A task that waits for a second: scheduled, retry: to run; archived: since when.

    Attributes:
        is_live: False once it has left its index (which forgets it later).
    """

    state: TaskState
    task_id: str
    message: bytes
    score: int
    is_live: bool = True


@dataclass(slots=True, eq=False)
class DueIndex:
    """Timed tasks of one state by (second, id)."""

    # The third item only keeps two entries of one task from being compared by their last.
    heap: list[tuple[int, str, int, TimedTask]] = field(default_factory=list)
    count: int = 0
    added_count: int = 0

    def add(self, task: TimedTask) -> None:
        """Let a task wait."""
        heappush(self.heap, (task.score, task.task_id, self.added_count, task))
        self.added_count += 1
        self.count += 1

    def discard(self, task: TimedTask) -> None:
        """Take a task out, whatever its time."""
        task.is_live = False
        self.count -= 1
        if len(self.heap) > 2 * self.count + _COMPACT_FROM:
            self.heap = [item for item in self.heap if item[3].is_live]
            heapify(self.heap)

    def first(self) -> TimedTask | None:
        """Return the next one."""
        heap = self.heap
        while heap and not heap[0][3].is_live:
            heappop(heap)
        return heap[0][3] if heap else None

    def pop_until(self, second: int) -> list[TimedTask]:
        """Remove and return what has a score of at most `second`, in order."""
        popped = []
        while (task := self.first()) is not None and task.score <= second:
            heappop(self.heap)
            task.is_live = False
            self.count -= 1
            popped.append(task)
        return popped

    def pop_first(self) -> TimedTask | None:
        """Remove and return the next one."""
        task = self.first()
        if task is not None:
            heappop(self.heap)
            task.is_live = False
            self.count -= 1
        return task

    def sorted(self) -> list[TimedTask]:
        """Return all, in order."""
        self.heap = [item for item in self.heap if item[3].is_live]
        self.heap.sort()  # A heap still; sorted again later it costs little.
        return [item[3] for item in self.heap]

    def first_in_order(self, count: int | None) -> list[TimedTask]:
        """Return the first `count`, None for all, in order."""
        if count is None or count > self.count // _FEW:
            return self.sorted()[:count]
        return [item[3] for item in nsmallest(count, (item for item in self.heap if item[3].is_live))]
