"""How do this process's commands get into a journal, each exactly once?

Contract: thread-safe. One frame is in flight per writer and journal; what arrives meanwhile forms the next frame. Whoever waits for
its own commands does the sending, so a caller alone needs no other thread; `submit` leaves it to the writer's own. When an append
fails its frame is in doubt: the same bytes are appended again until the log shows them (`on_applied`) or an append succeeds.
Not obvious: the machine ignores a frame whose sequence it has seen, so appending one again is safe, but only under the same id.
That id is renewed after half an hour of silence, more often without a replica, and when a frame's fate is given up: what is in doubt stays so.
"""

from __future__ import annotations

import logging
import threading
import time

from asynq_compat.brokers.journal.writing.framing import Awaited, Framing
from asynq_compat.brokers.journal.writing.outbox import Outbox
from asynq_compat.brokers.journal.writing.ticket import Frame, Outcomes, Ticket, fail, tell
from asynq_compat.brokers.journal.writing.unsent import closed, no_room, unanswered, uncertain
from asynq_compat.errors import AsynqError, BrokerUnavailableError, InvalidArgumentError
from asynq_compat.journals.journal import Journal
from asynq_compat.rules.clock import Clock

_LOG = logging.getLogger("asynq_compat.journal")
_IDLE_S = 1.0  # Then a thread with nothing to do ends: a process may follow hundreds of journals.


class Writer:
    """The one way of this process into one journal; `writer_id` names its first frame where others may send the same one."""

    def __init__(self, journal: Journal, clock: Clock, *, name: str, writer_id: bytes | None = None) -> None:
        self._journal = journal
        self._name = name
        self._changed = threading.Condition(threading.Lock())
        # All below: owned by the lock of `_changed`.
        self._outbox = Outbox()
        self._framing = Framing(clock, writer_id)
        self._in_doubt: Frame | None = None
        self.awaited = Awaited()
        self._is_sending = self._is_closed = self._has_replica = False
        self._why_closed: AsynqError = closed(name)
        self._thread: threading.Thread | None = None
        self._untold: list[Ticket] = []  # Their fate is known, nobody was told yet: that happens outside the lock.

    def follow(self) -> None:
        """Say that a replica reports every applied frame from now on (`on_applied`)."""
        with self._changed:
            self._has_replica = True

    def commit(self, ticket: Ticket, *, timeout_s: float) -> None:
        """Send the commands and wait until the ticket is settled.

        Raises:
            BrokerUnavailableError: Not settled within `timeout_s`; `may_have_happened` says whether it may be yet.
            AsynqError: The journal refused them.
        """
        self.enqueue(ticket, timeout_s=timeout_s)
        self.wait(ticket, timeout_s=timeout_s)

    def enqueue(self, ticket: Ticket, *, timeout_s: float, is_apart: bool = False) -> None:
        """Queue the commands for a `wait` that follows, sent by its caller or before it, `is_apart`; blocks only while too much is queued.

        Raises:
            BrokerUnavailableError: The journal does not keep up, or is closed; nothing was sent.
        """
        with self._changed:
            if is_apart or not self._outbox.has_room(ticket):
                self._start_thread()  # Its callers may all be here, waiting for room.
                self._changed.notify_all()
            has_room = self._changed.wait_for(lambda: self._outbox.has_room(ticket) or self._is_closed, timeout_s)
            if has_room and not self._is_closed:
                self._outbox.add(ticket)
                return
            error = self._why_closed if self._is_closed else no_room(self._name, self._outbox.size_bytes)
        tell(fail([ticket], error))
        raise error

    def wait(self, ticket: Ticket, *, timeout_s: float, sends: bool = True) -> None:
        """Wait until a queued ticket is settled, sending meanwhile (an unanswered append takes its time) if it `sends`; raises as `commit`."""
        deadline = time.monotonic() + timeout_s
        while True:
            with self._changed:
                frame = self._await_turn(ticket, deadline, sends)
                told, self._untold = self._untold, []
            tell(told)
            if frame is None:
                break
            self._send(frame)
        if ticket.error is not None and ticket.outcomes is None:
            raise ticket.error

    def submit(self, ticket: Ticket) -> None:
        """Leave the commands to the writer's own thread; `on_fate` hears of them. Never blocks."""
        told: list[Ticket] = []
        with self._changed:
            if self._is_closed:
                told = fail([ticket], self._why_closed)
            else:
                self._outbox.add(ticket)
                self._start_thread()
                self._changed.notify_all()
        tell(told)

    def on_applied(self, writer_id: bytes, sequence: int, position: int | None, outcomes: Outcomes) -> None:
        """Hear that a frame was applied, from the replica's thread, or without its position from a reply."""
        if (writer_id, sequence) not in self.awaited:
            return
        with self._changed:
            if (frame := self.awaited.take((writer_id, sequence), len(outcomes))) is None:
                return
            if self._in_doubt is frame:
                self._in_doubt = None
            told = frame.mark_appended(position) + frame.hand_out(position, outcomes)
            self._changed.notify_all()
        tell(told)

    def on_refused(self, writer_id: bytes, sequence: int) -> None:
        """Hear from the replica that the machine refused a frame: this writer's order is not what the journal knows."""
        if (writer_id, sequence) in self.awaited:
            self._restart(BrokerUnavailableError(f"{self._name} refused what was sent; nothing was stored"))

    def on_passed_over(self, upto: int) -> None:
        """Hear from the replica that it did not read what stands up to a position: nobody will tell what became of frames there."""
        with self._changed:
            told = [ticket for frame in self.awaited.take_upto(upto) for ticket in frame.fail(uncertain(self._name))]
            self._changed.notify_all()
        tell(told)

    def on_rebuilt(self) -> None:
        """Hear from the replica that the journal is another one: it knows nothing of this writer."""
        self._restart(uncertain(self._name))

    def _restart(self, error: AsynqError) -> None:
        with self._changed:
            told = self._lose_frames(error)
            self._framing.begin_anew()
            self._changed.notify_all()
        tell(told)

    def _lose_frames(self, error: AsynqError) -> list[Ticket]:
        frames = self.awaited.clear()
        if self._in_doubt is not None and not any(frame is self._in_doubt for frame in frames):
            frames.append(self._in_doubt)
        self._in_doubt = None
        return [ticket for frame in frames for ticket in frame.fail(error)]

    def close(self, *, timeout_s: float = 5.0, why: AsynqError | None = None) -> None:
        """Send what waits, for at most `timeout_s`, then end; who comes later is told `why`. Legal twice."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            if self._outbox or self._in_doubt is not None:
                self._start_thread()
            self._changed.wait_for(lambda: not (self._outbox or self._in_doubt or self._is_sending), timeout_s)
            self._is_closed = True
            self._why_closed = why or self._why_closed
            lost = fail(self._outbox.clear(), self._why_closed) + self._lose_frames(uncertain(self._name))
            lost, self._untold = lost + self._untold, []
            thread, self._thread = self._thread, None
            self._changed.notify_all()
        tell(lost)
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.1, deadline - time.monotonic() + 1.0))

    def _await_turn(self, ticket: Ticket, deadline: float, sends: bool) -> Frame | None:  # noqa: FBT001 - as `wait`
        """Return a frame to send, or None when the ticket is settled. Called with the lock held."""
        while not ticket.is_settled:
            now = time.monotonic()
            if now >= deadline:
                self._abandon(ticket)
                break
            wait_s = deadline - now
            if sends and not self._is_sending:
                frame = self._next_frame(now)
                if frame is not None or ticket.is_settled:
                    return frame
                if self._in_doubt is not None:
                    wait_s = min(wait_s, self._in_doubt.retry_at_s - now)
            self._changed.wait(max(wait_s, 0.0))
        return None

    def _abandon(self, ticket: Ticket) -> None:
        """Its caller waits no longer."""
        doubt = self._in_doubt
        cause = f": {doubt.error}" if doubt is not None and doubt.error is not None else ""
        ticket.is_abandoned = ticket.is_settled = True
        if self._outbox.remove(ticket):
            self._untold.append(ticket)
            ticket.error = unanswered(self._name, cause, may_be_stored=False)
            return
        is_gone = doubt is not None and not self._is_sending and self._is_dropped(doubt)
        may_be_stored = doubt is None or not is_gone or doubt.may_be_stored
        ticket.error = unanswered(self._name, cause, may_be_stored=may_be_stored)

    def _is_dropped(self, doubt: Frame) -> bool:
        """Go on as a new writer if nobody waits for the frame and no log tells its fate; return whether that is so."""
        if is_forsaken := not self._has_replica and all(ticket.is_abandoned for ticket in doubt.tickets):
            self._give_up(doubt, uncertain(self._name))
        return is_forsaken

    def _next_frame(self, now: float) -> Frame | None:
        """Claim the turn: the frame in doubt when its time has come, else what waits. Called with the lock held."""
        doubt = self._in_doubt
        if doubt is not None and self._framing.is_too_old(doubt):
            self._give_up(doubt, uncertain(self._name))
            doubt = None
        if doubt is not None:
            if now < doubt.retry_at_s:
                return None
            self._is_sending = True
            return doubt
        return self._make_frame() if self._outbox else None

    def _make_frame(self) -> Frame | None:
        tickets, commands = self._outbox.cut(has_replica=self._has_replica)
        try:
            frame = self._framing.make(tickets, commands, is_blind=not self._has_replica)
        except Exception as reason:  # noqa: BLE001 - whatever is wrong with the commands: their tickets are out of the outbox
            self._untold += fail(tickets, InvalidArgumentError(f"cannot be written to {self._name}: {reason}"))
            self._changed.notify_all()
            return None
        self._is_sending = True
        if self._has_replica or frame.asks:
            self.awaited.add(frame)
        return frame

    def _send(self, frame: Frame) -> None:
        """Append once. The turn is ours and ends here."""
        position = None
        failure: AsynqError = BrokerUnavailableError("the append was interrupted", may_have_happened=True)
        try:
            position = self._journal.append(frame.data)
        except AsynqError as error:
            failure = error
        except Exception:  # noqa: BLE001 - nobody foresaw it; what it means for the frame is not known
            _LOG.exception("an append to %s failed", self._name)
        finally:
            self._sent(frame, position, failure)

    def _sent(self, frame: Frame, position: int | None, failure: AsynqError) -> None:
        """End the turn with what came of it."""
        with self._changed:
            self._is_sending = False
            refusal = None if position is None or self._has_replica else self._framing.refusal(position)
            if refusal is not None:
                self._give_up(frame, refusal)
            elif position is not None:
                if self._in_doubt is frame:
                    self._in_doubt = None
                self._untold += frame.mark_appended(position)
            elif frame.is_appended:
                pass  # The log told first.
            elif isinstance(failure, BrokerUnavailableError) and not frame.is_denied(failure):
                self._doubt(frame, failure)
            else:
                self._give_up(frame, failure)
            told, self._untold = self._untold, []
            self._changed.notify_all()
        tell(told)

    def _doubt(self, frame: Frame, failure: BrokerUnavailableError) -> None:
        frame.doubted(failure, time.monotonic())
        self._framing.doubted()
        self._in_doubt = frame
        if not self._is_dropped(frame) and self._has_replica:
            self._start_thread()

    def _give_up(self, frame: Frame, error: AsynqError) -> None:
        """Send a frame no more, and go on as a new writer."""
        self._untold += frame.fail(error)
        self.awaited.drop(frame)
        if self._in_doubt is frame:
            self._in_doubt = None
        self._framing.begin_anew()
        self._changed.notify_all()

    def _start_thread(self) -> None:
        if self._thread is None and not self._is_closed:
            self._thread = threading.Thread(target=self._run, name=f"asynq-writer-{self._name}", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                frame, is_idle = None, False
                while not (self._is_closed or self._untold or is_idle):
                    now = time.monotonic()
                    frame = None if self._is_sending else self._next_frame(now)
                    if frame is not None:
                        break
                    doubt = None if self._is_sending else self._in_doubt
                    is_woken = self._changed.wait(_IDLE_S if doubt is None else max(0.0, doubt.retry_at_s - now))
                    is_idle = not (is_woken or self._outbox or self._in_doubt or self._is_sending)
                told, self._untold = self._untold, []
                if frame is None and not told:
                    self._thread = None  # Whoever has something to send begins the next one.
                    return
            tell(told)
            if frame is not None:
                self._send(frame)
