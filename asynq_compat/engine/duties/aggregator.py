"""Who makes one task of a group's?

Contract: every 7 seconds, or every grace period if that is shorter, first after one, the groups that have waited long enough become sets and
the user's function makes one task of each. At most three rounds run at a time: a slow function does not keep the groups of others waiting.
What goes wrong with a set is logged and leaves it alone, its tasks return to their group when its time is over. Go trusts the user's
function; here whatever it raises ends nothing but its own set.
Not obvious: a message that cannot be read is left out and logged, it could never be handed to anybody.
Source: asynq v0.26.0 `aggregator.go`; docs/semantics.md, "aggregate".
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from asynq_compat.compose import compose
from asynq_compat.config import Config, GroupAggregatorFunc
from asynq_compat.engine.service import THREAD_PREFIX, Service
from asynq_compat.errors import AsynqError, DuplicateTaskError, TaskIDConflictError
from asynq_compat.options import Queue
from asynq_compat.ports.maintaining import AggregationSet, Finished, Maintaining
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest, EnqueueStatus
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.limits import NS_PER_S
from asynq_compat.rules.patience import Patience
from asynq_compat.task import Task, task_for_handler
from asynq_compat.wire.message import decode_message

ROUND_COUNT_MAX = 3
_INTERVAL_S_MAX = 7.0
# For so long what was made of a set may wait for others, to be stored with them, and as long as it is no more than so much.
STORED_S_MAX = 1.0
STORED_BYTES_MAX = 1024 * 1024


class Aggregator(Service):
    """Lets groups become tasks."""

    def __init__(
        self,
        maintaining: Maintaining,
        aggregate: GroupAggregatorFunc,
        config: Config,
        clock: Clock,
        log: logging.Logger,
    ) -> None:
        self._interval_s = min(_INTERVAL_S_MAX, config.group_grace_period)
        super().__init__("aggregator", log, first_wait_s=self._interval_s)
        self._maintaining = maintaining
        self._aggregate = aggregate
        self._queues = tuple(config.queues)
        self._shutdown_timeout_s = max(config.shutdown_timeout, 0.0)
        self._patience = Patience(config.group_max_size, int(config.group_max_delay), int(config.group_grace_period))
        self._clock = clock
        self._rounds: list[threading.Thread] = []

    def run_once(self) -> float:
        """Begin a round, unless as many as can be run."""
        self._rounds = [one for one in self._rounds if one.is_alive()]
        if len(self._rounds) >= ROUND_COUNT_MAX:
            self.log.warning("Max number of aggregation checks in flight. Skipping")
            return self._interval_s
        one = threading.Thread(target=self._run_round, name=f"{THREAD_PREFIX}aggregating", daemon=True)
        one.start()
        self._rounds.append(one)
        return self._interval_s

    def finish(self) -> None:
        """Wait for the rounds that run, at most as long as a shutdown waits for handlers."""
        self.log.debug("Waiting for all aggregation checks to finish...")
        give_up_at = time.monotonic() + self._shutdown_timeout_s
        for one in self._rounds:
            one.join(max(give_up_at - time.monotonic(), 0.0))
        if any(one.is_alive() for one in self._rounds):
            self.log.warning("an aggregation did not end in time; it is left behind, its tasks return to their group")

    def _run_round(self) -> None:
        try:
            self.aggregate()
        except BaseException:
            self.log.exception("aggregation failed; it goes on with the next round")

    def aggregate(self) -> None:
        """Make one task of each group that has waited long enough; the round is this thread's."""
        for queue in self._queues:
            with self.outages.told(f'Failed to run aggregation check: queue="{queue}"'):
                for batch in self._maintaining.aggregate(queue, self._patience):
                    self._finish(batch)
                    if self.stopping.is_set():
                        return

    def _finish(self, batch: Sequence[AggregationSet]) -> None:
        """Store what stands for each set: all at the end, but neither seconds of a slow function's nor megabytes wait for it."""
        monotonic_s = self._clock.monotonic_s
        made: list[Finished] = []
        size_bytes, stored_at_s = 0, monotonic_s()
        for one in batch:
            request = None if self._is_over(one) else self._request(one)
            if request is not None:
                made.append((one, request))
                size_bytes += len(request.message)
            if size_bytes >= STORED_BYTES_MAX or monotonic_s() - stored_at_s >= STORED_S_MAX:
                self._store(made)
                made, size_bytes, stored_at_s = [], 0, monotonic_s()
        self._store(made)

    def _store(self, made: Sequence[Finished]) -> None:
        in_time = [one for one in made if not self._is_over(one[0])]
        if not in_time:
            return
        try:
            outcomes: Sequence[EnqueueOutcome | None] = self._maintaining.finish_sets(in_time)
        except AsynqError as error:
            outcomes = [error] * len(in_time)
        for (one, request), outcome in zip(in_time, outcomes, strict=True):
            match outcome:
                case EnqueueStatus.ENQUEUED:
                    pass
                case EnqueueStatus.DUPLICATE:
                    self._tell(one, DuplicateTaskError(queue=request.queue, task_id=request.task_id))
                case EnqueueStatus.ID_CONFLICT:
                    self._tell(one, TaskIDConflictError(queue=request.queue, task_id=request.task_id))
                case None:
                    self._tell(one, "the set is gone: its time was over, or its queue was removed")
                case _:
                    self._tell(one, outcome)

    def _is_over(self, one: AggregationSet) -> bool:
        is_over = self._clock.now_ns() // NS_PER_S >= one.expires_at_s
        if is_over:
            self._tell(one, "context deadline exceeded")  # Go's words
        return is_over

    def _request(self, one: AggregationSet) -> EnqueueRequest | None:
        """Return what stands for the set's tasks; None where nobody made it."""
        tasks = self._tasks(one)
        try:
            made = self._aggregate(one.group, tasks)
        except BaseException:
            self.log.exception('group_aggregator failed (queue="%s", group="%s", setID="%s")', *_named(one))
            return None
        try:
            return compose(made, (Queue(one.queue),), self._clock.now_ns())[0]
        except AsynqError as error:
            self._tell(one, error)
            return None

    def _tasks(self, one: AggregationSet) -> list[Task]:
        tasks = []
        for message in one.messages:
            try:
                tasks.append(task_for_handler(decode_message(message), None))
            except AsynqError as error:
                named = _named(one)
                self.log.error(
                    'a task cannot be read and is left out (queue="%s", group="%s", setID="%s"): %s', *named, error
                )
        return tasks

    def _tell(self, one: AggregationSet, error: object) -> None:
        named = _named(one)
        self.log.error('Failed to enqueue aggregated task (queue="%s", group="%s", setID="%s"): %s', *named, error)


def _named(one: AggregationSet) -> Sequence[str]:
    return one.queue, one.group, one.name
