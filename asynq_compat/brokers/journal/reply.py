"""How does a client that folds nothing learn what became of its tasks?

Contract: `ReplyReader` belongs to a client's partition, is thread-safe and reads only while somebody waits, from the waiting frames'
positions on. `Replier` belongs to the thread of a server's replica. The format is in docs/journal.md, "Replies".
Not obvious: whoever replies forgets it only when a reply stands in the log. A frame that comes again is answered again: the client that
sent it twice reads behind the second, so the first one's reply may be before its eyes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.brokers.journal.writing.writer import Writer
from asynq_compat.errors import AsynqError
from asynq_compat.journals.journal import BEFORE_THE_FIRST, Entry, Journal, NotInJournalError
from asynq_compat.machine.applied import Applied, Outcome
from asynq_compat.machine.control import ControlApplied
from asynq_compat.machine.reply import read_reply
from asynq_compat.wire import command
from asynq_compat.wire.command import Command
from asynq_compat.wire.frame import decode_frame

_LOG = logging.getLogger("asynq_compat.journal")

# journal.md 6: rank r replies after r x 200 ms; a client gives up after a second, so that no rank waits longer than 800 ms.
RANK_S = 0.2
RANK_MAX = 4
REPLY_S = 1.0
# Nobody waits for a reply this long after.
OWED_S_MAX = 5.0
_AGAIN_S = 0.05
_CONNECT_S = 8.0
# So much of what others wrote is sooner read than jumped over.
_NEAR_COUNT = 1_000


class ReplyReader:
    """Reads a journal for replies to this process's writer.

    Args:
        name: The journal.
        open_journal: Opens it once more: a replica that takes over begins on a connection on which no read of ours is still waiting.
        writer: Hears of the replies.
    """

    def __init__(self, name: str, open_journal: Callable[[], Journal], writer: Writer) -> None:
        self._name = name
        self._open = open_journal
        self._writer = writer
        self._changed = threading.Condition(threading.Lock())  # Guards all below.
        self._is_reading = False
        self._is_retired = False
        self._connecting: threading.Thread | None = None
        self._journal: Journal | None = None
        self._begun_at = self._upto = BEFORE_THE_FIRST  # All between these was read.

    def prepare(self) -> None:
        """Connect beside the caller, who is going to `wait` soon."""
        with self._changed:
            if self._connecting is None and not self._is_retired:
                self._is_reading = True
                self._connecting = threading.Thread(
                    target=self._connect, name=f"asynq-replies-{self._name}", daemon=True
                )
                self._connecting.start()

    def _connect(self) -> None:
        """Read where the log ends: a first read takes longest, and what is asked will stand near there."""
        self._read(lambda journal: journal.end(), 0.0)

    def wait(self, ticket: Ticket, *, timeout_s: float) -> None:
        """Return when the outcomes of an appended ticket are known, or nobody has replied for `timeout_s`, or a replica takes over."""
        if self._connecting is not None:
            self._connecting.join(_CONNECT_S)
        deadline = time.monotonic() + timeout_s
        can_read = True
        while ticket.outcomes is None and ticket.error is None:
            with self._changed:
                left_s = deadline - time.monotonic()
                if self._is_retired or left_s <= 0:
                    return
                if self._is_reading or not can_read:
                    self._changed.wait(left_s if can_read else min(left_s, _AGAIN_S))
                    can_read = True
                    continue
                self._is_reading = True
            can_read = self._read(self._place, left_s)

    def retire(self) -> None:
        """Read no more, for good: a replica follows from now on. Legal twice."""
        with self._changed:
            self._is_retired = True
            journal, self._journal = self._journal, None
            self._changed.notify_all()
        if journal is not None:
            journal.close()
        if self._connecting is not None:
            self._connecting.join(_CONNECT_S)

    def _place(self, _: Journal) -> int:
        """Return where to read on: behind what was read, or behind the first frame that asks if that is elsewhere."""
        asking = self._writer.awaited.asking()
        has_read = self._upto != BEFORE_THE_FIRST
        if not asking or (has_read and self._begun_at <= asking[0][2] <= self._upto + _NEAR_COUNT):
            return self._upto
        return asking[0][2]

    def _read(self, place: Callable[[Journal], int], wait_s: float) -> bool:
        """Read once, hand on what is found and end the turn; return whether another read makes sense at once."""
        begun_at, upto, can_read = self._begun_at, self._upto, False
        try:
            journal = self._opened()
            if journal is not None:
                after = place(journal)
                batch = journal.read(after, wait_s=wait_s)
                self._hear(batch.entries)
                begun_at = begun_at if after == upto else after
                upto, can_read = batch.upto, True
        except NotInJournalError:
            begun_at = upto = (
                BEFORE_THE_FIRST  # Cut away while nobody asked: where the frame stands is as good a place.
            )
        except AsynqError as failure:
            _LOG.debug("cannot read replies in %s: %s", self._name, failure)
        finally:
            with self._changed:
                self._is_reading, self._begun_at, self._upto = False, begun_at, upto
                self._changed.notify_all()
        return can_read

    def _opened(self) -> Journal | None:
        """Return the journal, opened by the first read; None when a replica has taken over. Called by who has the turn."""
        if self._journal is None:
            opened = self._open()
            with self._changed:
                if not self._is_retired:
                    self._journal = opened
            if self._journal is not opened:
                opened.close()
        return self._journal

    def _hear(self, entries: Sequence[Entry]) -> None:
        writer_ids = {writer_id for writer_id, _, _ in self._writer.awaited.asking()}
        for entry in entries:
            # Most of what passes by is for others, and a search is much cheaper than reading a frame.
            if not any(writer_id in entry.data for writer_id in writer_ids):
                continue
            frame = decode_frame(entry.data)
            for one in [] if isinstance(frame, str) else frame.commands:
                reply = read_reply(one) if one[0] == command.REPLY else None
                if reply is not None:
                    self._writer.on_applied(reply.writer_id, reply.sequence, None, reply.outcomes)


@dataclass(slots=True)
class _Owed:
    outcomes: list[Outcome]
    heard_at_s: float
    is_sent: bool = False


class Replier:
    """Replies for the sessions of this process.

    Args:
        rank: Says after how many other sessions it is our turn; None where we have none.
        send: Takes commands for the next frame.
    """

    def __init__(self, rank: Callable[[], int | None], send: Callable[[Sequence[Command]], None]) -> None:
        self._rank = rank
        self._send = send
        self._owed: dict[tuple[bytes, int], _Owed] = {}

    def on_applied(self, applied: Applied | ControlApplied, now_s: float) -> None:
        """Hear of one entry."""
        if isinstance(applied, ControlApplied):
            return
        for reply in applied.replies:
            self._owed.pop((reply.writer_id, reply.sequence), None)
        if applied.answer is not None and applied.writer_id is not None:
            self._owed.setdefault((applied.writer_id, applied.sequence), _Owed(applied.answer, now_s))

    def on_rebuilt(self) -> None:
        """Hear that the log is another one."""
        self._owed.clear()

    def next_at_s(self) -> float | None:
        """Return when to `run` next; None: not before another entry came."""
        if not self._owed:
            return None
        delay_s = self._delay_s()
        ahead = [
            one.heard_at_s + (OWED_S_MAX if one.is_sent or delay_s is None else delay_s) for one in self._owed.values()
        ]
        return min(ahead)

    def run(self, now_s: float) -> None:
        """Send what it is our turn to reply."""
        if not self._owed:
            return
        delay_s = self._delay_s()
        replies: list[Command] = []
        for (writer_id, sequence), one in list(self._owed.items()):
            age_s = now_s - one.heard_at_s
            if age_s >= OWED_S_MAX:
                del self._owed[writer_id, sequence]
            elif delay_s is not None and age_s >= delay_s and not one.is_sent:
                one.is_sent = True
                replies.append(command.reply(writer_id, sequence, one.outcomes))
        if replies:
            self._send(replies)

    def _delay_s(self) -> float | None:
        rank = self._rank()
        return None if rank is None else RANK_S * min(rank, RANK_MAX)
