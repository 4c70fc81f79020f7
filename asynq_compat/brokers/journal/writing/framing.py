"""Under which name and number does the next frame go out, and which are out whose outcomes are not known?

Contract: owned by the writer's lock. Sequences of one writer id are 1, 2, 3, ...; a new id begins anew.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from asynq_compat.brokers.journal.writing.ticket import Frame, Ticket
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.rules.clock import Clock
from asynq_compat.wire.command import Command
from asynq_compat.wire.frame import encode_frame

# The machine forgets a writer an hour after its last frame (lease clock).
SILENCE_S_MAX = 30 * 60
FRAME_AGE_S_MAX = 10 * 60
# Who follows nothing does not hear that the log has lost its last frame, and what is refused then: it goes under a name for a minute at most,
# and for five seconds where it was silent for one. A name costs every replica some 150 bytes for an hour.
BLIND_NAME_S_MAX = 60.0
BLIND_NAME_S_MIN = 5.0
BLIND_SILENCE_S_MAX = 1.0
_WENT_BACK = (
    "the journal has lost what was written to it before, or was made anew; nothing was stored now, send it again"
)


class Framing:
    """The identity of one writer."""

    def __init__(self, clock: Clock, writer_id: bytes | None = None) -> None:
        self._clock = clock
        self.begin_anew()
        if writer_id is not None:
            self._writer_id = writer_id

    def begin_anew(self) -> None:
        """Take a new writer id."""
        self._writer_id = os.urandom(16)
        self._sequence = 0
        self._named_at_s = self._last_made_at_s = self._clock.monotonic_s()
        self._position = -1
        self._was_in_doubt = False

    def doubted(self) -> None:
        """Note that an append of this name has failed."""
        self._was_in_doubt = True

    def refusal(self, position: int) -> BrokerUnavailableError | None:
        """Note where a frame stands; return why the machine refuses it: the log has lost this writer's frame before it."""
        is_back = position <= self._position
        self._position = position
        return BrokerUnavailableError(_WENT_BACK) if is_back else None

    def make(self, tickets: list[Ticket], commands: Sequence[Command], *, is_blind: bool) -> Frame:
        """Return the next frame; a writer `is_blind` that follows nothing.

        Raises:
            ValueError: The commands cannot be encoded; the number is not used up.
        """
        made_at_s = self._clock.monotonic_s()
        if made_at_s - self._last_made_at_s > SILENCE_S_MAX or (is_blind and self._is_risky(made_at_s)):
            self.begin_anew()
        self._last_made_at_s = made_at_s
        for ticket in tickets:
            ticket.made_at_s = made_at_s
        data = encode_frame(self._writer_id, self._sequence + 1, commands)
        self._sequence += 1
        return Frame(self._writer_id, self._sequence, data, tickets, made_at_s, len(commands))

    def _is_risky(self, now_s: float) -> bool:
        """Return whether the log may have lost a frame of this name unheard."""
        age_s, silent_s = now_s - self._named_at_s, now_s - self._last_made_at_s
        is_long_ago = age_s > BLIND_NAME_S_MAX or (age_s > BLIND_NAME_S_MIN and silent_s > BLIND_SILENCE_S_MAX)
        return self._sequence > 0 and (is_long_ago or self._was_in_doubt)

    def is_too_old(self, frame: Frame) -> bool:
        """Return whether a frame may not be sent again: the machine may forget its writer before it arrives."""
        return self._clock.monotonic_s() - frame.made_at_s > FRAME_AGE_S_MAX


class Awaited:
    """Frames whose outcomes are to be told, oldest first. Frames come in under the writer's lock; any thread may ask."""

    def __init__(self) -> None:
        self._frames: dict[tuple[bytes, int], Frame] = {}

    def __contains__(self, name: tuple[bytes, int]) -> bool:
        return name in self._frames

    def add(self, frame: Frame) -> None:
        """Note a frame that was made."""
        self._frames[frame.writer_id, frame.sequence] = frame

    def take(self, name: tuple[bytes, int], outcome_count: int) -> Frame | None:
        """Take a frame out, if it is here and these can be its outcomes."""
        frame = self._frames.get(name)
        fits = frame is not None and frame.command_count == outcome_count
        return self._frames.pop(name, None) if fits else None

    def drop(self, frame: Frame) -> None:
        """Take a frame out that was given up."""
        self._frames.pop((frame.writer_id, frame.sequence), None)

    def take_upto(self, upto: int) -> list[Frame]:
        """Take out those that were appended, not for a reply, up to a position."""
        frames = [frame for frame in list(self._frames.values()) if not frame.asks and frame.stands_upto(upto)]
        for frame in frames:
            self.drop(frame)
        return frames

    def clear(self) -> list[Frame]:
        """Take out everything."""
        frames = list(self._frames.values())
        self._frames.clear()
        return frames

    def asking(self) -> list[tuple[bytes, int, int]]:
        """Return writer id, sequence and position of frames that stand in the log and wait for a reply."""
        frames = [(frame, frame.tickets[0].position) for frame in list(self._frames.values()) if frame.asks]
        return [(frame.writer_id, frame.sequence, position) for frame, position in frames if position is not None]

    @property
    def position(self) -> int | None:
        """Where the first frame stands that was appended, and not for a reply; None if there is none."""
        positions = (frame.tickets[0].position for frame in list(self._frames.values()) if not frame.asks)
        return next((position for position in positions if position is not None), None)

    def is_missing(self, upto: int) -> bool:
        """Return whether a frame is still awaited that should have stood in what was read `upto` a position: the log has lost it."""
        position = self.position if self._frames else None
        return position is not None and position <= upto

    def disregard(self, ticket: Ticket) -> None:
        """Note that nobody waits for a ticket any more; drop its frame if that was the last."""
        ticket.is_abandoned = True
        for frame in list(self._frames.values()):
            if all(one.is_abandoned for one in frame.tickets):
                self.drop(frame)
