"""Under which name and number does the next frame go out?

Contract: owned by the writer's lock. Sequences of one writer id are 1, 2, 3, ...; a new id begins anew.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from asynq_compat.brokers.journal.ticket import Frame, Ticket
from asynq_compat.rules.clock import Clock
from asynq_compat.wire.command import Command
from asynq_compat.wire.frame import encode_frame

# The machine forgets a writer an hour after its last frame (lease clock).
SILENCE_S_MAX = 30 * 60
FRAME_AGE_S_MAX = 10 * 60


class Framing:
    """The identity of one writer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.begin_anew()

    def begin_anew(self) -> None:
        """Take a new writer id."""
        self._writer_id = os.urandom(16)
        self._sequence = 0
        self._last_made_at_s = self._clock.monotonic_s()

    def make(self, tickets: list[Ticket], commands: Sequence[Command]) -> Frame:
        """Return the next frame.

        Raises:
            ValueError: The commands cannot be encoded; the number is not used up.
        """
        made_at_s = self._clock.monotonic_s()
        if made_at_s - self._last_made_at_s > SILENCE_S_MAX:
            self.begin_anew()
        self._last_made_at_s = made_at_s
        for ticket in tickets:
            ticket.made_at_s = made_at_s
        data = encode_frame(self._writer_id, self._sequence + 1, commands)
        self._sequence += 1
        return Frame(self._writer_id, self._sequence, data, tickets, made_at_s)

    def is_too_old(self, frame: Frame) -> bool:
        """Return whether a frame may not be sent again: the machine may forget its writer before it arrives."""
        return self._clock.monotonic_s() - frame.made_at_s > FRAME_AGE_S_MAX
