"""How does a server take tasks from Redis and settle them?

Contract: the transitions `take` and `settle_*`, many tasks a call. `take` is used by one thread, the rest by any. At most `capacity`
tasks are out. A `take` that waits for slots shares the round trip of the next `settle`. What was dequeued and not handed out when
`stop` comes goes back to its queue, in order.
Not obvious: Redis knows no owner of a lease. A settlement whose term is over is therefore not even tried: another server may have it.
A `take` whose answer was lost is asked again; what the first had taken is active here and unknown, and the recoverer will find it.
Source: docs/semantics.md, "take", "settle operations", "leases", "processor".
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from typing import cast

from asynq_compat.brokers.redis.commands import Command, Refusal, Reply, as_bytes, as_int, as_list, command
from asynq_compat.brokers.redis.keys import queue_keys
from asynq_compat.brokers.redis.lease_term import LEASE_NS, WallClockTerm
from asynq_compat.brokers.redis.link import Link
from asynq_compat.brokers.redis.peeking import Bell
from asynq_compat.brokers.redis.scripts import script
from asynq_compat.brokers.redis.settling import SettleCall, Settling
from asynq_compat.brokers.redis.sizes import too_large
from asynq_compat.errors import AsynqError
from asynq_compat.ports.consuming import (
    Ended,
    Lease,
    LeaseTerm,
    QueueOrder,
    SettleKind,
    Settlement,
    SettleOutcome,
    Waiting,
    settlement_of,
)
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.priority import order_for_take
from asynq_compat.rules.sampling import SAMPLES_MAX

_NS = 1_000_000_000
# Longer calls are slower a task and let other clients wait.
_CALL_TASKS_MAX = 300


class RedisConsuming:
    """The consuming port."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock

    def open_intake(
        self,
        order: QueueOrder,
        capacity: int,
        server_id: str,  # noqa: ARG002 - Redis leases name no owner
        observer: Waiting | None = None,
    ) -> RedisIntake:
        """Join as a worker with `capacity` slots; raises BrokerUnavailableError when Redis does not answer."""
        self._link.ask(command(b"PING"))
        return RedisIntake(self._link, self._clock, order, capacity, observer)


class RedisIntake:
    """One server's way to tasks."""

    def __init__(
        self, link: Link, clock: Clock, order: QueueOrder, capacity: int, observer: Waiting | None = None
    ) -> None:
        self._link = link
        self._clock = clock
        self._order = order
        self._observer = observer
        self._samples = b"0" if observer is None else b"%d" % SAMPLES_MAX
        self._settling = Settling(link, clock)
        self._bell = Bell(link, [queue_keys(queue) for queue in order.weights], order.check_interval_s)
        self._changed = threading.Condition()  # Guards what follows.
        self._free = capacity
        self._ready: list[Lease] = []
        self._waits_for_slots = False
        self._is_stopped = False

    def take(self, wait_s: float) -> Sequence[Lease]:
        """Return tasks for free slots; see the port."""
        give_up_at = time.monotonic() + wait_s
        while True:
            with self._changed:
                self._await_slots(give_up_at)
                if self._is_stopped:
                    return ()
                if self._ready:
                    ready, self._ready = self._ready, []
                    return ready
                slots, self._free = self._free, 0
            if slots == 0:
                return ()
            taken: list[Lease] = []
            try:
                self._take_from(self._queues(), slots, taken)
            finally:
                taken = self._book(taken, slots, are_handed_out=True)
            if taken:
                self._bell.found()
                return taken
            remaining_s = give_up_at - time.monotonic()
            if remaining_s <= 0 or self._is_stopped:
                return ()
            self._bell.wait(remaining_s)

    def settle(self, settlements: Sequence[Ended], slots_freed: int) -> Sequence[SettleOutcome]:
        """Carry out the settlements whose lease still holds; see the port."""
        named = [settlement_of(one) for one in settlements]
        held = _held(named)
        outcomes = [SettleOutcome.NOT_HELD] * len(named)
        with self._changed:
            self._free += slots_freed
            # A take that waits for slots is answered in the same round trip.
            slots = self._free if self._waits_for_slots and named and not self._is_stopped else 0
            self._free -= slots
            if slots == 0:
                self._changed.notify_all()
        taken: list[Lease] = []
        try:
            calls = self._settling.plan(named, held, outcomes)
            self._exchange(calls, outcomes, slots, taken)
        finally:
            if slots:
                self._book(taken, slots, are_handed_out=False)
        return outcomes

    def turn_over(self, slots_freed: int) -> None:  # noqa: ARG002 - the port's
        """Return None: the slots come with the next settling, which takes in the same round trip."""
        return

    def extend(self, leases: Sequence[Lease]) -> None:
        """Renew the leases whose term is still valid."""
        expires_at_ns = self._clock.now_ns() + LEASE_NS
        score = b"%d" % (expires_at_ns // _NS)
        renewed = [lease for lease in leases if lease.term.is_valid()]
        by_queue: dict[str, list[bytes]] = {}
        for lease in renewed:
            by_queue.setdefault(lease.queue, []).extend((score, lease.task_id.encode()))
        if not by_queue:
            return
        commands = [command(b"ZADD", queue_keys(queue).lease, b"XX", *ids) for queue, ids in by_queue.items()]
        answers = dict(zip(by_queue, self._link.run(commands).answers, strict=True))
        # A queue that is out of reach, in a cluster perhaps, costs no other its leases.
        for lease in renewed:
            if isinstance(lease.term, WallClockTerm) and not isinstance(answers[lease.queue], Refusal):
                lease.term.expires_at_ns = expires_at_ns
        for answer in answers.values():
            self._link.accept(answer)

    def write_result(self, lease: Lease, result: bytes) -> int:
        """Store `result` with the task; return its length. As with Asynq, a task that is gone leaves a hash with only it."""
        if (refusal := too_large(self._link, "the result", len(result))) is not None:
            raise refusal
        as_int(self._link.ask(command(b"HSET", queue_keys(lease.queue).task(lease.task_id), b"result", result)))
        return len(result)

    def stop(self) -> None:
        """Take no more: a blocked `take` returns, what it did not see goes back."""
        with self._changed:
            self._is_stopped = True
            left, self._ready = self._ready, []
            self._changed.notify_all()
        self._bell.ring()
        self._give_back(left)

    def close(self) -> None:
        """Stop, and close the connections that wait. Legal twice."""
        self.stop()
        self._bell.close()

    def _queues(self) -> list[str]:
        return order_for_take(self._order.weights, strict=self._order.strict, rng=random)

    def _await_slots(self, give_up_at: float) -> None:
        """Wait for a slot or a lease. The caller holds the lock."""
        self._waits_for_slots = True
        while not (self._is_stopped or self._ready or self._free):
            remaining_s = give_up_at - time.monotonic()
            if remaining_s <= 0 or not self._changed.wait(remaining_s):
                break
        self._waits_for_slots = False

    def _exchange(self, calls: list[SettleCall], outcomes: list[SettleOutcome], slots: int, taken: list[Lease]) -> None:
        """Run `calls`, and for `slots` the dequeue of the first queue in the same round trip."""
        commands = [call.command for call in calls]
        if not slots:
            if commands:
                exchange = self._link.run(commands)
                self._settling.read(calls, exchange, outcomes)
            return
        first, *others = self._queues()
        dequeue, term = self._dequeue(first, slots)
        exchange = self._link.run([*commands, dequeue])
        given = exchange.answers[-1]
        if not isinstance(given, Refusal):
            taken += self._leases(first, term, given)
        self._settling.read(calls, exchange, outcomes)
        self._take_from(others, slots, taken)

    def _take_from(self, queues: Sequence[str], slots: int, taken: list[Lease]) -> None:
        """Fill `taken` up to `slots` from the queues in order; a failure is raised only while nothing is taken."""
        for queue in queues:
            if len(taken) >= slots:
                return
            dequeue, term = self._dequeue(queue, slots - len(taken))
            try:
                taken += self._leases(queue, term, self._link.ask(dequeue))
            except AsynqError:
                if not taken:
                    raise
                return  # What was taken is handed out; the next call meets the failure again.

    def _dequeue(self, queue: str, count: int) -> tuple[Command, WallClockTerm]:
        keys = queue_keys(queue)
        term = WallClockTerm(self._clock, self._clock.now_ns() + LEASE_NS)
        arguments = [keys.task_prefix, b"%d" % (term.expires_at_ns // _NS), b"%d" % min(count, _CALL_TASKS_MAX)]
        arguments.append(self._samples)
        return script("take")([keys.pending, keys.paused, keys.active, keys.lease], arguments), term

    def _leases(self, queue: str, term: WallClockTerm, reply: Reply) -> list[Lease]:
        parts = as_list(reply)
        if self._observer is not None and parts:
            now_s = self._clock.now_ns() / _NS
            since_s = [int(one) / _NS for one in map(as_bytes, as_list(parts.pop())) if one.isdigit()]
            self._observer.waited(queue, len(parts) // 2, [max(now_s - one, 0.0) for one in since_s])
        pairs = cast("list[bytes]", parts)  # Not looked at one by one: this runs once a task.
        return [
            Lease(queue, task_id.decode("utf-8", "replace"), message, term)
            for task_id, message in zip(pairs[::2], pairs[1::2], strict=True)
        ]

    def _book(self, taken: list[Lease], slots: int, *, are_handed_out: bool) -> list[Lease]:
        """Account for `taken` out of `slots` reserved ones; return what may be handed out now."""
        with self._changed:
            is_stopped = self._is_stopped
            self._free += slots - len(taken)
            if not is_stopped and not are_handed_out:
                self._ready += taken
            self._changed.notify_all()
        if is_stopped:
            self._give_back(taken)
            return []
        return taken

    def _give_back(self, leases: Sequence[Lease]) -> None:
        """Requeue, the first one last, so that it is next in line again; without Redis the recoverer will find them."""
        try:
            self._settling.settle([Settlement(lease, SettleKind.REQUEUE) for lease in reversed(leases)])
        except AsynqError:
            return


def _held(settlements: Sequence[Settlement]) -> list[int]:
    """Return the indexes of those whose lease holds; terms are shared, each is asked once."""
    held: list[int] = []
    term: LeaseTerm | None = None
    is_valid = False
    for index, settlement in enumerate(settlements):
        if settlement.lease.term is not term:
            term = settlement.lease.term
            is_valid = term.is_valid()
        if is_valid:
            held.append(index)
    return held
