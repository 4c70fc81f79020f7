"""What is known about all queues and servers together?

Contract: pure, total, deterministic, as `Machine`, over the control journal: which queues exist, what servers tell about themselves and
about the queues that they follow, whose work is to be cancelled, what schedulers tell and claim.
Not obvious: nothing ticks here. What has run out is forgotten with the next entry; until then whoever asks says what time it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from asynq_compat.machine.applied import Marker, Outcome, Verdict
from asynq_compat.machine.control.published import PublishedCounts, read_counts, read_workers
from asynq_compat.machine.control.scheduling import SCHEDULING, Claim, PublishedScheduler
from asynq_compat.machine.control.state import ControlApplied, ControlState, PublishedServer
from asynq_compat.machine.control.tokens import Token
from asynq_compat.machine.journal import read_marker
from asynq_compat.machine.markers import Footprints, check_of, trail_after
from asynq_compat.machine.step import is_int, is_text_column
from asynq_compat.machine.writer import Turn
from asynq_compat.wire import command as c
from asynq_compat.wire.bare import Headers
from asynq_compat.wire.frame import decode_frame, is_frame

TTL_S_MAX = 86_400
PARTITION_COUNT_MAX = 1_000_000


class ControlMachine:
    """The control journal, folded.

    Args:
        accepts_issuer_time: Let timestamps given by clients move the clock (tests only).
        state: What it knows already; becomes the machine's.
    """

    def __init__(self, *, accepts_issuer_time: bool = False, state: ControlState | None = None) -> None:
        self._accepts_issuer_time = accepts_issuer_time
        self._state = ControlState() if state is None else state
        self._footprints = Footprints()
        self._footprints.add(self._state.position, self._state.trail)

    def apply(
        self,
        position: int,
        timestamp_ms: int,
        is_log_time: bool,  # noqa: FBT001 - mirrors an entry's fields
        data: bytes,
        headers: Headers = (),
    ) -> ControlApplied:
        """Take the next entry; see `Machine.apply`. No header means anything here."""
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
        self._state.scheduling.forget(now_ms)
        self._state.tokens.pass_time(now_ms // 1000)
        check = check_of(data, headers)
        self._take_frame(applied, data, check)
        entry = (position, timestamp_ms, is_log_time, check)
        self._state.trail = trail_after(self._state.trail, entry, applied.verdict, applied.outcomes)
        self._footprints.add(position, self._state.trail)
        return applied

    def _take_frame(self, applied: ControlApplied, data: bytes, check: int) -> None:
        frame = decode_frame(data) if is_frame(data) else "no frame"
        if isinstance(frame, str):
            applied.notes.append(f"entry {applied.position} was skipped: {frame}")
            return
        applied.writer_id = frame.writer_id
        applied.sequence = frame.sequence
        turn = self._state.writers.take(frame.writer_id, frame.sequence, check, self._state.clocks.lease_ms)
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
        outcome = transition(self, applied, command) if transition is not None else None
        if outcome is None:
            applied.notes.append(f"entry {applied.position}: a command with code {code} was rejected")
            return [c.REJECTED]
        return outcome

    def _queue(self, _: ControlApplied, command: c.Command) -> Outcome | None:
        if len(command) != 3:
            return None
        _code, name, partition_count = command
        if type(name) is not str or not name or not is_int(partition_count):
            return None
        if not 1 <= partition_count <= PARTITION_COUNT_MAX:
            return None
        self._state.queues.setdefault(name, partition_count)
        return 0

    def _queue_gone(self, _: ControlApplied, command: c.Command) -> Outcome | None:
        if len(command) != 2 or type(command[1]) is not str:
            return None
        self._state.queues.pop(command[1], None)
        for key in [key for key in self._state.counts if key[0] == command[1]]:
            del self._state.counts[key]
        return [c.REJECTED]  # As of COUNTS.

    def _server(self, _: ControlApplied, command: c.Command) -> Outcome | None:
        if len(command) != 5:
            return None
        _code, key, info, workers, ttl_s = command
        if type(key) is not str or not key or type(info) is not bytes or not is_int(ttl_s):
            return None
        pairs = read_workers(workers)
        if pairs is None or not 1 <= ttl_s <= TTL_S_MAX:
            return None
        self._state.servers[key] = PublishedServer(key, info, pairs, self._state.clocks.clock_ms + ttl_s * 1000)
        return 0

    def _server_gone(self, _: ControlApplied, command: c.Command) -> Outcome | None:
        if len(command) != 2 or type(command[1]) is not str:
            return None
        self._state.servers.pop(command[1], None)
        return 0

    def _cancel(self, applied: ControlApplied, command: c.Command) -> Outcome | None:
        if not is_text_column(command[1:]) or len(command) != 2:
            return None
        applied.cancelled.append(str(command[1]))
        return 0

    def _counts(self, _: ControlApplied, command: c.Command) -> Outcome | None:
        told = read_counts(command, self._state.clocks.clock_ms)
        if told is None:
            return None
        self._state.counts[told.queue, told.partition] = told
        # A release that does not know this command rejects it; all have to say the same, or their trails would part.
        return [c.REJECTED]

    def _scheduling(self, _: ControlApplied, command: c.Command) -> Outcome | None:
        is_well_formed = self._state.scheduling.take(command, self._state.clocks.clock_ms)
        return [c.REJECTED] if is_well_formed else None  # As for COUNTS.

    def _take_token(self, applied: ControlApplied, command: c.Command) -> Outcome | None:
        return [c.REJECTED] if self._state.tokens.take(command, applied.position) else None  # As COUNTS.

    def _return_token(self, _: ControlApplied, command: c.Command) -> Outcome | None:
        return [c.REJECTED] if self._state.tokens.give_back(command) else None

    def _checkpointed(self, applied: ControlApplied, command: c.Command) -> Outcome | None:
        marker = read_marker(command)
        if marker is None:
            return None
        code = self._state.markers.take(marker, applied.position)
        if code:
            return [code]
        applied.marker = marker
        self._footprints.compare(marker)
        return 0

    _TRANSITIONS: ClassVar[dict[int, Callable[[ControlMachine, ControlApplied, c.Command], Outcome | None]]] = {
        c.QUEUE: _queue,
        c.QUEUE_GONE: _queue_gone,
        c.SERVER: _server,
        c.SERVER_GONE: _server_gone,
        c.CANCEL: _cancel,
        c.COUNTS: _counts,
        **dict.fromkeys(SCHEDULING, _scheduling),
        c.TAKE_TOKEN: _take_token,
        c.RETURN_TOKEN: _return_token,
        c.CHECKPOINTED: _checkpointed,
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
        """Return how an accepted marker contradicts what was folded here; see `Machine.divergence`."""
        return self._footprints.divergence

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

    def counts(self) -> list[PublishedCounts]:
        """Return the last that was told of each partition of each queue, by queue and partition."""
        return [one for _, one in sorted(self._state.counts.items())]

    def schedulers(self, now_ms: int) -> list[PublishedScheduler]:
        """Return the schedulers whose word still holds at `now_ms` (Unix ms), the one that runs out first before the others."""
        held = (told for told in self._state.scheduling.schedulers.values() if told.expires_ms > now_ms)
        return sorted(held, key=lambda told: (told.expires_ms, told.id))

    def enqueue_events(self, entry_id: str) -> list[bytes]:
        """Return what a periodic task enqueued, as it was told, the newest last."""
        history = self._state.scheduling.histories.get(entry_id)
        return [] if history is None else list(history.events)

    def claim(self, entry: str, instant_s: int) -> Claim | None:
        """Return who makes a firing; None where nobody may, or nobody has asked."""
        return self._state.scheduling.claims.get((entry, instant_s))

    def token(self, scope: str, task_id: str) -> Token | None:
        """Return the token of a semaphore that a task holds, as of the last entry."""
        return self._state.tokens.of(scope, task_id)

    def digest(self) -> bytes:
        """Return 16 bytes that are equal for equal states; see `Machine.digest`."""
        from asynq_compat.machine.snapshot import control_sections, digest  # Which makes machines.

        return digest(control_sections(self))
