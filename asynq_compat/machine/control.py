"""What is known about all queues and servers together?

Contract: pure, total, deterministic, as `Machine`, over the control journal: which queues exist, what servers tell about themselves,
whose work is to be cancelled.
Not obvious: nothing ticks here. What has run out is forgotten with the next entry; until then whoever asks says what time it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import ClassVar

from asynq_compat.machine.applied import Outcome, Verdict
from asynq_compat.machine.clocks import Clocks
from asynq_compat.machine.step import is_int, is_text_column
from asynq_compat.machine.writer import Turn, Writers
from asynq_compat.wire import command as c
from asynq_compat.wire.bare import Headers
from asynq_compat.wire.frame import ITEM_COUNT_MAX, decode_frame, is_frame
from asynq_compat.wire.hot_record import hot_record

TTL_S_MAX = 86_400
PARTITION_COUNT_MAX = 1_000_000


@hot_record
class PublishedServer:
    """What a server told about itself: encoded ServerInfo, and (task id, encoded WorkerInfo) of its workers."""

    key: str
    info: bytes
    workers: list[tuple[str, bytes]]
    expires_ms: int


@dataclass(slots=True)
class ControlApplied:
    """What one entry of the control journal has done.

    Attributes:
        cancelled: Ids of tasks that whoever runs them is asked to stop.
    """

    position: int
    writer_id: bytes | None = None
    sequence: int = 0
    verdict: Verdict = Verdict.UNREADABLE
    outcomes: list[Outcome] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class ControlState:
    """Everything that follows from the control journal."""

    position: int = -1
    clocks: Clocks = field(default_factory=Clocks)
    writers: Writers = field(default_factory=Writers)
    queues: dict[str, int] = field(default_factory=dict)
    servers: dict[str, PublishedServer] = field(default_factory=dict)


class ControlMachine:
    """The control journal, folded.

    Args:
        accepts_issuer_time: Let timestamps given by clients move the clock (tests only).
        state: What it knows already; becomes the machine's.
    """

    def __init__(self, *, accepts_issuer_time: bool = False, state: ControlState | None = None) -> None:
        self._accepts_issuer_time = accepts_issuer_time
        self._state = ControlState() if state is None else state

    def apply(
        self,
        position: int,
        timestamp_ms: int,
        is_log_time: bool,  # noqa: FBT001 - mirrors an entry's fields
        data: bytes,
        headers: Headers = (),
    ) -> ControlApplied:
        """Take the next entry; see `Machine.apply`. No header means anything here."""
        del headers
        applied = ControlApplied(position)
        if position <= self._state.position:
            applied.verdict = Verdict.REFUSED
            applied.notes.append(f"entry {position} came after entry {self._state.position}: ignored")
            return applied
        self._state.position = position
        note = self._state.clocks.advance(timestamp_ms, counts=is_log_time or self._accepts_issuer_time)
        if note:
            applied.notes.append(f"entry {position}: {note}")
        self._state.writers.forget(self._state.clocks.lease_ms)
        now_ms = self._state.clocks.clock_ms
        for key in [key for key, server in self._state.servers.items() if server.expires_ms <= now_ms]:
            del self._state.servers[key]
        self._take_frame(applied, data)
        return applied

    def _take_frame(self, applied: ControlApplied, data: bytes) -> None:
        frame = decode_frame(data) if is_frame(data) else "no frame"
        if isinstance(frame, str):
            applied.notes.append(f"entry {applied.position} was skipped: {frame}")
            return
        applied.writer_id = frame.writer_id
        applied.sequence = frame.sequence
        turn = self._state.writers.take(frame.writer_id, frame.sequence, data, self._state.clocks.lease_ms)
        if turn is Turn.NEXT:
            applied.verdict = Verdict.APPLIED
            applied.outcomes = [self._apply_command(applied, command) for command in frame.commands]
        elif turn is Turn.DUPLICATE:
            applied.verdict = Verdict.DUPLICATE
        else:
            applied.verdict = Verdict.REFUSED
            applied.notes.append(f"entry {applied.position} was refused: {turn.value}")

    def _apply_command(self, applied: ControlApplied, command: c.Command) -> Outcome:
        code = command[0]
        transition = self._TRANSITIONS.get(code) if isinstance(code, int) else None
        if transition is None or not transition(self, applied, command):
            applied.notes.append(f"entry {applied.position}: a command with code {code} was rejected")
            return [c.REJECTED]
        return 0

    def _queue(self, _: ControlApplied, command: c.Command) -> bool:
        if len(command) != 3:
            return False
        _code, name, partition_count = command
        if type(name) is not str or not name or not is_int(partition_count):
            return False
        if not 1 <= partition_count <= PARTITION_COUNT_MAX:
            return False
        self._state.queues.setdefault(name, partition_count)
        return True

    def _server(self, _: ControlApplied, command: c.Command) -> bool:
        if len(command) != 5:
            return False
        _code, key, info, workers, ttl_s = command
        if type(key) is not str or not key or type(info) is not bytes or not is_int(ttl_s):
            return False
        pairs = _worker_pairs(workers)
        if pairs is None or not 1 <= ttl_s <= TTL_S_MAX:
            return False
        self._state.servers[key] = PublishedServer(key, info, pairs, self._state.clocks.clock_ms + ttl_s * 1000)
        return True

    def _server_gone(self, _: ControlApplied, command: c.Command) -> bool:
        if len(command) != 2 or type(command[1]) is not str:
            return False
        self._state.servers.pop(command[1], None)
        return True

    def _cancel(self, applied: ControlApplied, command: c.Command) -> bool:
        if not is_text_column(command[1:]) or len(command) != 2:
            return False
        applied.cancelled.append(str(command[1]))
        return True

    _TRANSITIONS: ClassVar[dict[int, Callable[[ControlMachine, ControlApplied, c.Command], bool]]] = {
        c.QUEUE: _queue,
        c.SERVER: _server,
        c.SERVER_GONE: _server_gone,
        c.CANCEL: _cancel,
    }

    @property
    def state(self) -> ControlState:
        """What it remembers: to be saved, not to be asked or changed."""
        return self._state

    @property
    def position(self) -> int:
        """Position of the last entry applied; -1 before the first."""
        return self._state.position

    @property
    def clock_ms(self) -> int:
        """The journal's time, Unix ms; 0 before the first entry."""
        return self._state.clocks.clock_ms

    def writer_sequence(self, writer_id: bytes) -> int:
        """Sequence of the writer's last applied frame; 0 for a writer that is not known (any more)."""
        writer = self._state.writers.known.get(writer_id)
        return writer.sequence if writer is not None else 0

    def queues(self) -> dict[str, int]:
        """Return queues and their partition counts, by name."""
        return dict(sorted(self._state.queues.items()))

    def servers(self, now_ms: int) -> list[PublishedServer]:
        """Return the servers whose word still holds at `now_ms` (Unix ms), by key."""
        held = (server for server in self._state.servers.values() if server.expires_ms > now_ms)
        return sorted(held, key=lambda server: server.key)

    def digest(self) -> bytes:
        """Return 32 bytes that are equal for equal states."""
        clocks = self._state.clocks
        servers = [(s.key, s.info, s.workers, s.expires_ms) for s in self.servers(-1)]
        writers = [(i, w.sequence, w.check, w.last_frame_ms) for i, w in self._state.writers.known.items()]
        state = (self._state.position, clocks.clock_ms, clocks.lease_ms, clocks.last_ms, clocks.has_foreign_time)
        return blake2b(repr((state, self.queues(), servers, writers)).encode(), digest_size=32).digest()


def _worker_pairs(workers: object) -> list[tuple[str, bytes]] | None:
    if type(workers) is not list or len(workers) > ITEM_COUNT_MAX:
        return None
    pairs = []
    for pair in workers:
        if type(pair) is not list or len(pair) != 2:
            return None
        task_id, info = pair
        if type(task_id) is not str or type(info) is not bytes:
            return None
        pairs.append((task_id, info))
    return pairs
