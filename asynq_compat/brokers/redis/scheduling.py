"""How do schedulers use Redis?

Contract: the transitions `scheduler_entries`, `enqueue_events` and `fire`; thread-safe. Keys, ttl and order are Asynq's, but for
``asynq:{<queue>}:fired:<entry>``, which is ours (docs/semantics.md, "fire").
Source: docs/semantics.md, "Scheduler".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from asynq_compat.brokers.redis.commands import Reply, as_bytes, as_list, command
from asynq_compat.brokers.redis.keys import SCHEDULERS, history_key, queue_keys, scheduler_key
from asynq_compat.brokers.redis.link import Link
from asynq_compat.brokers.redis.producing import STATUSES, RedisProducing, add_task
from asynq_compat.brokers.redis.scripts import script
from asynq_compat.brokers.redis.sizes import too_large
from asynq_compat.errors import CorruptDataError
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest
from asynq_compat.ports.scheduling import FIRING_LATE_S_MAX, HISTORY_COUNT_MAX, Firing, NotFired
from asynq_compat.rules.clock import Clock
from asynq_compat.wire.schedule import (
    SchedulerEnqueueEvent,
    SchedulerEntry,
    decode_enqueue_event,
    decode_scheduler_entry,
    encode_enqueue_event,
    encode_scheduler_entry,
)

_T = TypeVar("_T")
_NS = 1_000_000_000
# A scheduler that was stopped for a week with a firing under way is past caring for.
_FIRED_TTL_S = 7 * 86_400
# A quarter of an hour of firings each second, a day and more of those each two minutes: for one whose script is under way for so long.
_FIRED_COUNT_MAX = 1_000
_NOT_FIRED = {2: NotFired.ELSEWHERE, 3: NotFired.TOO_LATE}


class RedisScheduling:
    """The scheduling port. Thread-safe."""

    def __init__(self, link: Link, producing: RedisProducing, clock: Clock) -> None:
        self._link = link
        self._producing = producing
        self._clock = clock

    def write_entries(self, scheduler_id: str, entries: Sequence[SchedulerEntry], ttl_s: int) -> None:
        """Publish the entries of a scheduler in place of those before, for `ttl_s` seconds."""
        scheduler = scheduler_key(scheduler_id)
        encoded = [encode_scheduler_entry(entry) for entry in entries]
        commands = [
            command(b"ZADD", SCHEDULERS, self._now_s() + ttl_s, scheduler),
            script("scheduler_entries")([scheduler], [b"%d" % ttl_s, *encoded]),
        ]
        for answer in self._link.run(commands).answers:
            self._link.accept(answer)

    def clear_entries(self, scheduler_id: str) -> None:
        """Withdraw them."""
        scheduler = scheduler_key(scheduler_id)
        for answer in self._link.run([command(b"ZREM", SCHEDULERS, scheduler), command(b"DEL", scheduler)]).answers:
            self._link.accept(answer)

    def record_enqueue_event(self, entry_id: str, event: SchedulerEnqueueEvent) -> None:
        """Note that a periodic task was enqueued."""
        at_s = event.enqueue_time_ns // _NS
        self._link.ask(
            script("enqueue_events")(
                [history_key(entry_id)], [b"%d" % at_s, encode_enqueue_event(event), b"%d" % HISTORY_COUNT_MAX]
            )
        )

    def clear_history(self, entry_id: str) -> None:
        """Forget what was noted of an entry."""
        self._link.ask(command(b"DEL", history_key(entry_id)))

    def entries(self) -> Sequence[SchedulerEntry]:
        """Return the entries of all schedulers; of each the last one first, as Go lists them. Names that have run out are dropped."""
        now_s = self._now_s()
        commands = [
            command(b"ZREMRANGEBYSCORE", SCHEDULERS, b"-inf", now_s - 1),
            command(b"ZRANGEBYSCORE", SCHEDULERS, now_s, b"+inf"),
        ]
        _, names = (self._link.accept(answer) for answer in self._link.run(commands).answers)
        lists = [command(b"LRANGE", as_bytes(name), 0, -1) for name in as_list(names)]
        answers = self._link.run(lists).answers if lists else []
        return _read(
            [data for answer in answers for data in as_list(self._link.accept(answer))], decode_scheduler_entry
        )

    def enqueue_events(self, entry_id: str, *, start: int, count: int | None) -> Sequence[SchedulerEnqueueEvent]:
        """Return what was noted of an entry, the newest first."""
        if count == 0:
            return []
        last = -1 if count is None else start + count - 1
        found = as_list(self._link.ask(command(b"ZREVRANGE", history_key(entry_id), start, last)))
        return _read(found, decode_enqueue_event)

    def fire(self, request: EnqueueRequest, firing: Firing) -> EnqueueOutcome | NotFired:
        """Store the task of a firing and note the firing, in one step."""
        if (refusal := too_large(self._link, "the task", len(request.message))) is not None:
            return refusal
        self._producing.announce([request.queue])
        keys, now_ns = queue_keys(request.queue), self._clock.now_ns()
        arguments = [keys.task_prefix, keys.group_prefix, b"%d" % now_ns, b"%d" % (now_ns // _NS)]
        arguments += [b"%d" % firing.instant_s, firing.holder.encode()]
        arguments += [b"%d" % limit for limit in (FIRING_LATE_S_MAX, _FIRED_COUNT_MAX, _FIRED_TTL_S)]
        add_task(request, arguments)
        places = [keys.pending, keys.scheduled, keys.groups, keys.fired(firing.entry)]
        code = self._link.ask(script("fire")(places, arguments))
        assert isinstance(code, int), code
        return STATUSES[code] if code in STATUSES else _NOT_FIRED[code]

    def _now_s(self) -> int:
        return self._clock.now_ns() // _NS


def _read(found: Sequence[Reply], decode: Callable[[bytes], _T]) -> list[_T]:
    """Return what can be read; what cannot is left out, as by Go."""
    read = []
    for data in found:
        try:
            read.append(decode(as_bytes(data)))
        except CorruptDataError:
            continue
    return read
