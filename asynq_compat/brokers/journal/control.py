"""What does the control journal say: which queues, which servers, whom to cancel?

Contract: pure, total and deterministic like the queue's machine; one thread at a time. Time is that of the entries.
Not obvious: it is small and every process that needs it folds it from the start; cancellations are kept only so that feeds can fetch
them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from asynq_compat.machine.applied import Applied, Outcome, Verdict
from asynq_compat.wire import command
from asynq_compat.wire.command import Command
from asynq_compat.wire.frame import decode_frame
from asynq_compat.wire.hot_record import hot_record

# A feed that sleeps longer than this many cancellations has missed them (best effort, as in Asynq).
CANCELATION_COUNT_MAX = 10_000
_WRITER_IDLE_MS = 60 * 60 * 1000


@hot_record
class ServerState:
    """What a server told about itself, encoded."""

    info: bytes
    workers: Sequence[tuple[str, bytes]]
    expires_ms: int


class ControlState:
    """The fold of the control journal."""

    def __init__(self) -> None:
        self.queues: dict[str, int] = {}
        self.servers: dict[str, ServerState] = {}
        self.cancelations: deque[tuple[int, str]] = deque(maxlen=CANCELATION_COUNT_MAX)
        self.clock_ms = 0
        self._writers: dict[bytes, tuple[int, int]] = {}  # id -> last sequence, when; oldest first

    def apply(self, position: int, timestamp_ms: int, is_log_time: bool, data: bytes) -> Applied:  # noqa: ARG002, FBT001 - as Machine
        """Take the next entry."""
        self.clock_ms = max(self.clock_ms, timestamp_ms)
        self._forget()
        frame = decode_frame(data)
        if isinstance(frame, str):
            return Applied(position, None, 0, Verdict.UNREADABLE, [], [], [], [f"skipped, {frame}"])
        last = self._writers.pop(frame.writer_id, (0, 0))[0]
        self._writers[frame.writer_id] = (max(last, frame.sequence), self.clock_ms)
        if frame.sequence <= last:
            return Applied(position, frame.writer_id, frame.sequence, Verdict.DUPLICATE, [], [], [], [])
        outcomes: list[Outcome] = [
            command.OK if self._carry_out(position, one) else [command.REJECTED] for one in frame.commands
        ]
        return Applied(position, frame.writer_id, frame.sequence, Verdict.APPLIED, outcomes, [], [], [])

    def next_due_ms(self) -> int | None:
        """Nothing here becomes due."""
        return None

    def unsupported_version(self) -> int | None:
        """There is one version."""
        return None

    def _forget(self) -> None:
        while self._writers:
            writer_id, (_, at_ms) = next(iter(self._writers.items()))
            if at_ms + _WRITER_IDLE_MS >= self.clock_ms:
                break
            del self._writers[writer_id]
        for key in [key for key, state in self.servers.items() if state.expires_ms <= self.clock_ms]:
            del self.servers[key]

    def _carry_out(self, position: int, one: Command) -> bool:
        """Carry out a command if it is well formed; otherwise nothing changes."""
        match one:
            case [command.QUEUE, str() as name, int() as count]:
                self.queues.setdefault(name, count)
            case [command.SERVER, str() as key, bytes() as info, list() as workers, int() as ttl_s]:
                pairs = [tuple(pair) for pair in workers if isinstance(pair, list)]
                if any(len(p) != 2 or not isinstance(p[0], str) or not isinstance(p[1], bytes) for p in pairs):
                    return False
                self.servers[key] = ServerState(info, pairs, self.clock_ms + ttl_s * 1000)
            case [command.SERVER_GONE, str() as key]:
                self.servers.pop(key, None)
            case [command.CANCEL, str() as task_id]:
                self.cancelations.append((position, task_id))
            case _:
                return False
        return True
