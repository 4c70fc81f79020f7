"""Who carries a writer's frames through the simulated world?

Contract: stands in for the thread that sends; the writer, its framing and its outbox are the package's own. One append is under way at a
time, and is given up when no answer comes: it may have happened all the same, and may yet. A stopped process hears its answers when it goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from asynq_compat.brokers.journal.writing.ticket import Frame, tell
from asynq_compat.brokers.journal.writing.writer import Writer
from asynq_compat.errors import BrokerUnavailableError
from tests.simulator.world import AnyPlace, World

# Kafka's clients and SQLite's callers wait longer, and the world's time is short.
ANSWER_WITHIN_MS = 1_500
MADE, SENT, STORED, ANSWERED, FAILED = "frame made", "append sent", "append stored", "append answered", "append failed"


class Sender:
    """Sends for one writer of one process.

    Args:
        loses_answer: Asked at each append whether its answer is to be lost.
    """

    def __init__(
        self, world: World, place: AnyPlace, writer: Writer, loses_answer: Callable[[], bool] = lambda: False
    ) -> None:
        self.world = world
        self.place = place
        self.writer = writer
        self._loses_answer = loses_answer
        self._claimed: Frame | None = None
        self._frame: Frame | None = None
        self._answer: int | BrokerUnavailableError | None = None
        self._sent_ms = 0
        self._log_count = 0
        self._attempt = 0

    @property
    def is_sending(self) -> bool:
        """Whether an append is under way."""
        return self._frame is not None

    @property
    def state(self) -> str:
        """How far the append has come; empty when none is under way."""
        if self._frame is None:
            return ""
        if self._answer is not None:
            return ANSWERED
        data = self._frame.data
        is_stored = any(entry[3] == data for entry in self.place.log.entries[self._log_count :])
        return STORED if is_stored else SENT

    def hear(self) -> str:
        """Tell the writer what has become of the append, if that is known; return the point that was come to."""
        frame, answer = self._frame, self._answer
        if frame is None:
            return ""
        if answer is None:
            if self.world.now_ms - self._sent_ms < ANSWER_WITHIN_MS:
                return ""
            answer = BrokerUnavailableError("no answer", may_have_happened=True)
        self._frame = self._answer = None
        if isinstance(answer, int):
            self.writer._sent(frame, answer, BrokerUnavailableError("never told"))
            return ANSWERED
        self.writer._sent(frame, None, answer)
        return FAILED

    def claim(self) -> Frame | None:
        """Return the next frame that is to be sent, if it is time for one; the same again until it was sent."""
        if self._frame is not None or self._claimed is not None:
            return self._claimed
        writer = self.writer
        with writer._changed:
            self._claimed = writer._next_frame(time.monotonic())
            told, writer._untold = writer._untold, []
        tell(told)
        return self._claimed

    def send(self, frame: Frame) -> None:
        """Append."""
        world = self.world
        self._frame, self._answer, self._claimed = frame, None, None
        self._sent_ms, self._log_count = world.now_ms, len(self.place.log.entries)
        is_lost = self._loses_answer()

        self._attempt = attempt = self._attempt + 1

        def heard(answer: int | BrokerUnavailableError) -> None:
            if self._frame is not None and self._attempt == attempt and not is_lost:
                self._answer = answer

        world.append(self.place, frame.data, heard)
