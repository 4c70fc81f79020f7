"""Is this frame its writer's next?

Contract: pure. One frame of a writer counts after the other, each once. A writer is forgotten one hour (lease clock) after its last
frame; a frame is never sent again more than ten minutes after it was made.
Not obvious: the check value of a writer's last frame only tells a writer's bug (other bytes, same sequence), nothing depends on it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum

from asynq_compat.machine.applied import Outcome

FORGOTTEN_AFTER_MS = 3_600_000


class Turn(Enum):
    """What a frame is in its writer's order."""

    NEXT = "next"
    DUPLICATE = "duplicate"
    OTHER_BYTES = "other bytes under a sequence that was used"
    GAP = "a gap in its writer's sequence"


@dataclass(slots=True, eq=False)
class Writer:
    """The last applied frame of one writer; `answer` are its outcomes if it asked for them (ASK)."""

    sequence: int
    check: int
    last_frame_ms: int
    answer: list[Outcome] | None = None


@dataclass(slots=True, eq=False)
class Writers:
    """All writers, the longest silent first."""

    known: OrderedDict[bytes, Writer] = field(default_factory=OrderedDict)

    def take(self, writer_id: bytes, sequence: int, check: int, lease_ms: int) -> Turn:
        """Book a frame, whose bytes have the CRC-32 `check`, and say what it is; only NEXT is to be applied."""
        writer = self.known.get(writer_id)
        last = writer.sequence if writer is not None else 0
        if sequence > last + 1:
            return Turn.GAP
        if writer is not None and sequence <= last:
            is_other = sequence == last and check != writer.check
            return Turn.OTHER_BYTES if is_other else Turn.DUPLICATE
        if writer is None:
            self.known[writer_id] = Writer(sequence, check, lease_ms)
        else:
            writer.sequence = sequence
            writer.check = check
            writer.last_frame_ms = lease_ms
            writer.answer = None
            self.known.move_to_end(writer_id)
        return Turn.NEXT

    def answer(self, writer_id: bytes, sequence: int) -> list[Outcome] | None:
        """Return what a writer's last frame asked for; None if that is another frame, or did not ask."""
        writer = self.known.get(writer_id)
        return writer.answer if writer is not None and writer.sequence == sequence else None

    def forget(self, lease_ms: int) -> None:
        """Forget who has been silent for an hour."""
        known = self.known
        while known:
            writer_id = next(iter(known))
            if known[writer_id].last_frame_ms + FORGOTTEN_AFTER_MS > lease_ms:
                return
            del known[writer_id]
