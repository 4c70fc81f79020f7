"""How do the tasks of a group become one in Redis?

Contract: the transitions `aggregate`, `delete_set`, `reclaim_sets`. Thread-safe.
Not obvious: as in Asynq the task that stands for a set is stored first, and the set is deleted then: who dies in between leaves tasks that
are aggregated twice.
Source: docs/semantics.md, "aggregate".
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence

from asynq_compat.brokers.redis.commands import as_bytes, as_int, as_list, command
from asynq_compat.brokers.redis.keys import queue_keys
from asynq_compat.brokers.redis.link import Link
from asynq_compat.brokers.redis.scripts import script
from asynq_compat.ports.maintaining import AggregationSet
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest, EnqueueStatus, Producing
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.patience import Patience

_NS = 1_000_000_000
# Asynq's.
SET_LIFETIME_S = 120


def _new_set_id() -> str:
    return str(uuid.uuid4())


class RedisAggregating:
    """The part of the maintaining port that is about groups. Thread-safe."""

    # How sets get their names; a test that compares two databases gives them the same.
    new_set_id: Callable[[], str] = staticmethod(_new_set_id)

    def __init__(self, link: Link, clock: Clock, producing: Producing) -> None:
        self._link = link
        self._clock = clock
        self._producing = producing

    def aggregate(self, queue: str, patience: Patience) -> Iterator[AggregationSet]:
        """Make a set of each group that has waited long enough."""
        keys = queue_keys(queue)
        names = [as_bytes(name) for name in as_list(self._link.ask(command(b"SMEMBERS", keys.groups)))]
        limits = [b"%d" % patience.size_max, b"%d" % patience.delay_s, b"%d" % patience.grace_s]
        for name in sorted(names):
            group, set_id, now_s = name.decode("utf-8", "replace"), self.new_set_id(), self._clock.now_ns() // _NS
            place = keys.group_prefix + name  # As it is: Go's names need not be text.
            places = [place, b"%b:%b" % (place, set_id.encode()), keys.aggregation_sets, keys.groups]
            expires_at_s = now_s + SET_LIFETIME_S
            times = [b"%d" % now_s, b"%d" % expires_at_s]
            found = self._link.ask(script("aggregate")(places, [keys.task_prefix, name, *limits, *times]))
            if found is not None:
                messages = [one if isinstance(one, bytes) else b"" for one in as_list(found)[1::2]]
                yield AggregationSet(queue, group, set_id, messages, expires_at_s, places[1])

    def finish_set(self, one: AggregationSet, request: EnqueueRequest) -> EnqueueOutcome | None:
        """Store the request, then delete the set."""
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
