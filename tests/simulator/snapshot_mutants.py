"""Would the simulator notice a snapshot that is not the whole state?

Contract: as `mutants`: small wrong changes, here to how a state is saved and restored, and to which markers count. The observer's twin does
otherwise then, or its books.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from asynq_compat.machine.applied import Marker
from asynq_compat.machine.containers.indexes import Part, Segment
from asynq_compat.machine.markers import Markers
from asynq_compat.machine.snapshot import loading, saving
from asynq_compat.machine.snapshot.columns import Sized
from asynq_compat.machine.snapshot.common import read_writers
from asynq_compat.machine.snapshot.fields import integer, text
from asynq_compat.machine.snapshot.fields import rows as read_rows
from asynq_compat.machine.state import State
from asynq_compat.machine.writer import Writers
from asynq_compat.wire import snapshot as s
from asynq_compat.wire.command import BEHIND, OK

_take = Markers.take
_work_out = loading._work_out
_segment = loading._segment
_read_writers = read_writers


def _with(name: str, change: Callable[[list[Any]], None]) -> AbstractContextManager[object]:
    """Let a function of `saving` change each row that it gives."""
    rows_of: Callable[..., Iterable[Sized]] = getattr(saving, name)

    def changed(*arguments: Any) -> Iterator[Sized]:
        for row, size in rows_of(*arguments):
            change(row)
            yield row, size

    return patch.object(saving, name, changed)


def _put(index: int, value: object) -> Callable[[list[Any]], None]:
    def put(row: list[Any]) -> None:
        row[index] = value

    return put


def _no_hole(_length: int) -> Part:
    return Segment([], [], 0, [(0, None)]), 0, 0


def _locks_without_end(state: State, body: s.Body) -> None:
    for key, task_id, expires_ms in read_rows(body, 3):
        state.locks.held[text(key)] = (text(task_id), integer(expires_ms))


def _ends_forgotten(state: State) -> None:
    _work_out(state)
    state.sessions_due_ms = 10**15


def _round_begins_anew(state: State) -> None:
    _work_out(state)
    state.last_served = -1


def _front_forgotten(state: State) -> None:
    _work_out(state)
    state.pending.front_ordinal = 0


def _waits_since_the_first(column: list[object]) -> Segment:
    segment = _segment(column)
    segment.since = segment.since[:1]
    return segment


def _writers_by_id(writers: Writers, body: s.Body) -> None:
    _read_writers(writers, body)
    for writer_id in sorted(writers.known):
        writers.known.move_to_end(writer_id)


def _take_late(self: Markers, marker: Marker, now_at: int) -> int:
    if self.last is not None and marker.position <= self.last.position:
        self.before, self.last = self.last, marker
        return OK
    return _take(self, marker, now_at)


def _refuse_the_third(self: Markers, marker: Marker, now_at: int) -> int:
    return BEHIND if self.before is not None else _take(self, marker, now_at)


SNAPSHOT_MUTANTS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "a marker that comes late is accepted": lambda: patch.object(Markers, "take", _take_late),
    "only two markers are ever accepted": lambda: patch.object(Markers, "take", _refuse_the_third),
    "a snapshot forgets the locks": lambda: patch.object(saving, "_lock_rows", lambda _state: iter(())),
    "a snapshot forgets results": lambda: _with("_extra_rows", _put(2, None)),
    "a snapshot forgets what was started": lambda: _with("_session_rows", _put(8, [0, 0])),
    "a snapshot forgets a writer's last frame": lambda: _with("writer_rows", _put(2, 0)),
    "a snapshot forgets an answer": lambda: _with("writer_rows", _put(4, None)),
    "a snapshot forgets since when tasks are orphaned": lambda: _with("_assignment_rows", _put(3, None)),
    "what was settled moves the places behind it": lambda: patch.object(loading, "_hole", _no_hole),
    "restored sessions never end": lambda: patch.object(loading, "_work_out", _ends_forgotten),
    "restored sessions take turns anew": lambda: patch.object(loading, "_work_out", _round_begins_anew),
    "restored tasks know no front": lambda: patch.object(loading, "_work_out", _front_forgotten),
    "restored tasks wait since the first of them came": lambda: patch.object(
        loading, "_segment", _waits_since_the_first
    ),
    "restored locks never end": lambda: patch.dict(loading._READERS, {s.LOCKS: _locks_without_end}),
    "restored writers are forgotten in any order": lambda: patch.object(loading, "read_writers", _writers_by_id),
}
