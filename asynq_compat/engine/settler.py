"""How do the outcomes of tasks reach the broker?

Contract: `add` may be called by any thread and costs no lock; one thread settles what has gathered, in batches, in the order in which
it was added. What a broken connection left unsettled is settled again until its lease is over: then another server has the task.
Whatever a broker raises, no outcome is lost by it.
Not obvious: a slot counts as freed with the first try, whether it succeeds or not. Go's syncer does the same duty and never succeeds
(it retries under a context that has ended), so that there the task runs again.
Source: asynq v0.26.0 `syncer.go`; docs/semantics.md, "background duties".
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from operator import attrgetter
from typing import Protocol

from asynq_compat.engine.service import Service
from asynq_compat.errors import AsynqError, BrokerUnavailableError
from asynq_compat.ports.consuming import (
    Ended,
    Intake,
    Lease,
    SettleKind,
    SettleOutcome,
    are_leases,
    lease_of,
    settlement_of,
)
from asynq_compat.ports.observing import Observer

# How long a broken connection is left alone: at first, and at most (Asynq's syncer waits 5 s).
_RETRY_FIRST_S = 0.25
_RETRY_MAX_S = 5.0
# No slot is given out again early while so many outcomes are unsettled.
_UNSETTLED_MAX = 8_192
# Where slots do not wait for their settling: a batch shall have so many, and for that waits so long, but only right behind a large one
# or where batches have come so soon one behind another for a while. A single slot always waits for its settling.
_GATHERED_MIN = 1_000
_GATHER_S = 0.01
_LARGE_MIN = 100
_IN_A_ROW_MIN = 5
# Idle, nothing is due: it is woken by `add`.
_IDLE_S = 60.0
_term_of = attrgetter("term")


class Settling(Protocol):
    """What whoever runs tasks asks of whoever sees to their outcomes. Any thread."""

    def add(self, ended: Ended) -> None:
        """Have a task settled and its slot freed."""

    def drop(self, lease: Lease) -> None:
        """Have a task's slot freed and nothing written."""

    def turn_over(self) -> Sequence[Lease]:
        """Have slots given out again that were freed; the leases for them, as far as some are at hand."""


class Settler(Service):
    """Settles what has ended. A None that is added frees a slot and writes nothing."""

    def __init__(self, intake: Intake, log: logging.Logger, slots: int, observer: Observer | None = None) -> None:
        super().__init__("settler", log)
        self._intake = intake
        self._slots = slots
        self._observer = observer
        self._added: deque[Ended | None] = deque()
        self._has_added = threading.Event()
        self._is_woken = False  # The event's state; a flag is quicker to ask, once a task.
        self._turns_over = True
        self._freeing = threading.Lock()  # Guards the taking out of `_added`, and the next.
        self._freed_early = 0
        # Owned by the settler's thread.
        self._unsettled: list[Ended] = []
        self._retry_wait_s = _RETRY_FIRST_S
        self._retry_at_s = 0.0
        self._in_a_row = 0  # Batches that came right behind one another.
        self._was_large = False  # The batch before was a large one.

    def add(self, ended: Ended | None) -> None:
        """Have a task settled and its slot freed."""
        self._added.append(ended)
        # Behind the append: the thread clears the flag before it looks, so one of the two sees the other.
        if not self._is_woken:
            self._is_woken = True
            self._has_added.set()

    def drop(self, lease: Lease) -> None:
        """Have a task's slot freed and nothing written: it is somebody else's, or cannot be read."""
        del lease  # Slots have no names.
        self.add(None)

    def turn_over(self) -> Sequence[Lease]:
        """Have the slots given out again at once that what was added has freed, where the intake can; the leases for them."""
        if not self._turns_over or len(self._added) > _UNSETTLED_MAX:
            return ()
        with self._freeing:
            waiting = len(self._added) - self._freed_early
            if not waiting:
                return ()
            leases = self._intake.turn_over(waiting)
            if leases is None:
                self._turns_over = False
                return ()
            self._freed_early += waiting
        return leases

    def run_once(self) -> float:
        """Wait for outcomes and settle all that are there."""
        idle_s = max(self._retry_at_s - time.monotonic(), 0.0) if self._unsettled else _IDLE_S
        is_soon = self._has_added.wait(min(_GATHER_S, idle_s))
        if not is_soon:
            self._has_added.wait(idle_s)
        self._in_a_row = self._in_a_row + 1 if is_soon else 0
        gathers = is_soon and self._slots > 1 and (self._was_large or self._in_a_row >= _IN_A_ROW_MIN)
        if gathers and self._turns_over and len(self._added) < _GATHERED_MIN:
            self.stopping.wait(_GATHER_S)
        self._has_added.clear()
        self._is_woken = False
        if self._unsettled and time.monotonic() >= self._retry_at_s:
            self._settle_again()
        self._settle_added()
        return 0.0

    def interrupt(self) -> None:
        """Wake the thread: the server stops."""
        self._has_added.set()

    def finish(self) -> None:
        """Settle what is left, once more."""
        self._settle_added()
        if self._unsettled:
            self._settle_again()
        for settlement in self._unsettled:
            self.log.error("%s", _failed(settlement))

    def _settle_added(self) -> None:
        added = self._added
        with self._freeing:
            batch = [added.popleft() for _ in range(len(added))]
            slots_freed = len(batch) - self._freed_early
            self._freed_early = 0
        self._was_large = len(batch) >= _LARGE_MIN
        fresh = _still_ours([ended for ended in batch if ended is not None])
        if not batch:
            return
        if self._observer is not None:
            self._observer.ended(fresh)
        error = self._settle(fresh, slots_freed)
        if isinstance(error, BrokerUnavailableError):
            for settlement in fresh:
                self.log.warning("%s: %s; Will retry syncing", _failed(settlement), error)
            self._put_off(fresh)
        elif error is not None:
            self._settle_singly(fresh)

    def _settle_again(self) -> None:
        unsettled, self._unsettled = self._unsettled, []
        again = _still_ours(unsettled)
        ours = {id(settlement) for settlement in again}
        for settlement in unsettled:
            if id(settlement) not in ours:
                self.log.warning("%s: its lease is over; it will be recovered", _failed(settlement))
        error = self._settle(again, is_again=True)
        if error is None:
            self._retry_wait_s = _RETRY_FIRST_S
        elif isinstance(error, BrokerUnavailableError):
            self._put_off(again)
        else:
            self._settle_singly(again)

    def _settle(
        self, settlements: Sequence[Ended], slots_freed: int = 0, *, is_again: bool = False
    ) -> Exception | None:
        """Have the broker carry out the settlements; return why it has not."""
        try:
            outcomes = self._intake.settle(settlements, slots_freed)
        except Exception as error:  # noqa: BLE001 - an unforeseen one too: nobody else knows what became of these tasks
            return error
        self._note(settlements, outcomes, is_again=is_again)
        return None

    def _put_off(self, settlements: Sequence[Ended]) -> None:
        self._unsettled.extend(settlements)
        self._retry_at_s = time.monotonic() + self._retry_wait_s
        self._retry_wait_s = min(2 * self._retry_wait_s, _RETRY_MAX_S)

    def _settle_singly(self, settlements: Sequence[Ended]) -> None:
        """One of them cannot be settled: the others must not suffer."""
        for settlement in settlements:
            error = self._settle([settlement], is_again=True)
            if isinstance(error, AsynqError) and not isinstance(error, BrokerUnavailableError):
                self.log.error("%s: %s", _failed(settlement), error)
            elif error is not None:
                if not isinstance(error, AsynqError):
                    self.log.error("%s; Will retry syncing", _failed(settlement), exc_info=error)
                self._put_off([settlement])

    def _note(self, settlements: Sequence[Ended], outcomes: Sequence[SettleOutcome], *, is_again: bool) -> None:
        if outcomes.count(SettleOutcome.SETTLED) == len(outcomes) and are_leases(settlements):
            return  # Nearly always.
        for settlement, outcome in zip(map(settlement_of, settlements), outcomes, strict=True):
            # While the lease holds nobody else can have settled it: an earlier try did, whose answer was lost.
            is_done_before = is_again and outcome is SettleOutcome.NOT_HELD and settlement.lease.term.is_valid()
            if outcome is SettleOutcome.SETTLED or is_done_before:
                if settlement.kind is SettleKind.REQUEUE:
                    self.log.info("Pushed task id=%s back to queue", settlement.lease.task_id)
            elif outcome is SettleOutcome.NOT_HELD:
                self.log.warning("%s: this server does not hold it any more", _failed(settlement))
            else:
                self.log.error("%s: what is stored about it contradicts itself", _failed(settlement))


def _still_ours(settlements: Sequence[Ended]) -> Sequence[Ended]:
    """Return those whose lease holds; leases mostly share a term, which is asked once."""
    valid = {term: term.is_valid() for term in set(map(_term_of, settlements))}
    return settlements if all(valid.values()) else [one for one in settlements if valid[one.term]]


def _failed(ended: Ended) -> str:
    lease, kind = lease_of(ended), settlement_of(ended).kind
    return f"Could not settle task id={lease.task_id} of queue {lease.queue!r} as {kind.value}"
