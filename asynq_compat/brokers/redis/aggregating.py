"""How do the tasks of a group become one in Redis?

Contract: the transitions `aggregate`, `delete_set`, `reclaim_sets`. Thread-safe.
Not obvious: groups are looked at many in one round trip, by plain reads; only for those that are due the script runs, which decides.
As in Asynq the task that stands for a set is stored first, and the set is deleted then: who dies in between leaves tasks that
are aggregated twice.
Source: docs/semantics.md, "aggregate".
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence

from asynq_compat.brokers.redis.commands import Answer, Command, as_bytes, as_int, as_list, command
from asynq_compat.brokers.redis.keys import QueueKeys, queue_keys
from asynq_compat.brokers.redis.link import Link
from asynq_compat.brokers.redis.scripts import script
from asynq_compat.ports.maintaining import AggregationSet, Finished
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest, EnqueueStatus, Producing
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.patience import Patience

_NS = 1_000_000_000
# How many groups are looked at in one round trip, three small reads each.
_LOOK_COUNT = 500
# Asynq's.
SET_LIFETIME_S = 120


def _new_set_id(group: str) -> str:
    del group
    return str(uuid.uuid4())


class RedisAggregating:
    """The part of the maintaining port that is about groups. Thread-safe."""

    # How sets get their names; a test that compares two databases gives them the same.
    new_set_id: Callable[[str], str] = staticmethod(_new_set_id)

    def __init__(self, link: Link, clock: Clock, producing: Producing) -> None:
        self._link = link
        self._clock = clock
        self._producing = producing

    def aggregate(self, queue: str, patience: Patience) -> Iterator[Sequence[AggregationSet]]:
        """Make a set of each group that has waited long enough, as in Asynq one at a time."""
        keys = queue_keys(queue)
        names = [as_bytes(name) for name in as_list(self._link.ask(command(b"SMEMBERS", keys.groups)))]
        limits = [b"%d" % patience.size_max, b"%d" % patience.delay_s, b"%d" % patience.grace_s]
        for name in self._due(keys, sorted(names), patience):
            group, now_s = name.decode("utf-8", "replace"), self._clock.now_ns() // _NS
            set_id = self.new_set_id(group)
            place = keys.group_prefix + name  # As it is: Go's names need not be text.
            places = [place, b"%b:%b" % (place, set_id.encode()), keys.aggregation_sets, keys.groups]
            expires_at_s = now_s + SET_LIFETIME_S
            times = [b"%d" % now_s, b"%d" % expires_at_s]
            found = self._link.ask(script("aggregate")(places, [keys.task_prefix, name, *limits, *times]))
            if found is not None:
                messages = [one if isinstance(one, bytes) else b"" for one in as_list(found)[1::2]]
                yield [AggregationSet(queue, group, set_id, messages, expires_at_s, places[1])]

    def _due(self, keys: QueueKeys, names: Sequence[bytes], patience: Patience) -> Iterator[bytes]:
        """Give the groups that have waited long enough, and those of which that is not clear."""
        for start in range(0, len(names), _LOOK_COUNT):
            some = names[start : start + _LOOK_COUNT]
            answers = iter(self._link.run([read for name in some for read in _reads(keys.group_prefix + name)]).answers)
            now_s = self._clock.now_ns() // _NS
            for name, size, first, last in zip(some, answers, answers, answers, strict=True):
                if _may_be_due(size, first, last, patience, now_s):
                    yield name

    def finish_sets(self, finished: Sequence[Finished]) -> Sequence[EnqueueOutcome | None]:
        """Store each request, then delete its set."""
        return [self._finish(one, request) for one, request in finished]

    def _finish(self, one: AggregationSet, request: EnqueueRequest) -> EnqueueOutcome:
        (outcome,) = self._producing.enqueue([request])
        if outcome is EnqueueStatus.ENQUEUED:
            keys = queue_keys(one.queue)
            assert isinstance(one.place, bytes)
            self._link.ask(script("delete_set")([one.place, keys.aggregation_sets], [keys.task_prefix]))
        return outcome

    def reclaim_sets(self, queues: Sequence[str]) -> int:
        """Return the tasks of sets whose time is over to their groups."""
        now_s = b"%d" % (self._clock.now_ns() // _NS)
        calls = [script("reclaim_sets")([queue_keys(queue).aggregation_sets], [now_s]) for queue in queues]
        answers = self._link.run(calls).answers if calls else []
        return sum(as_int(self._link.accept(answer)) for answer in answers)


def _reads(group: bytes) -> tuple[Command, Command, Command]:
    """Return what asks how many tasks a group has, and for its first and its last."""
    first, last = (command(b"ZRANGE", group, at, at, b"WITHSCORES") for at in (0, -1))
    return command(b"ZCARD", group), first, last


def _may_be_due(size: Answer, first: Answer, last: Answer, patience: Patience, now_s: int) -> bool:
    """Return whether a group is due by these answers; True where they are none: the script says what is wrong."""
    if size == 0:
        return False
    if not (isinstance(size, int) and isinstance(first, list) and isinstance(last, list) and first and last):
        return True
    first_s, last_s = (float(as_bytes(one[1])) for one in (first, last))
    is_full = 0 < patience.size_max <= size
    is_old = patience.delay_s > 0 and first_s <= now_s - patience.delay_s
    return is_full or is_old or last_s <= now_s - patience.grace_s
