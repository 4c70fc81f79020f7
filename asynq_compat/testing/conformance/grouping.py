"""How does a scenario let groups become sets?

Contract: words over the maintaining port, beside those of the harness.
"""

from __future__ import annotations

from asynq_compat.ports.maintaining import AggregationSet
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest
from asynq_compat.rules.patience import Patience
from asynq_compat.testing.conformance.harness import QueueHarness

# Asynq's default, and how long a set of tasks may take to become one.
GRACE_S = 60
SET_LIFETIME_S = 120


def sets_of(
    queue: QueueHarness, *, size_max: int = 0, delay_s: int = 0, grace_s: int = GRACE_S
) -> list[AggregationSet]:
    """Make sets of the groups that have waited long enough, as a server's aggregator does."""
    queue.worker(capacity=1)  # On a journal whoever serves the queue looks after its groups.
    queue.stats()  # Who follows the queue has come so far.
    batches = queue.broker.maintaining.aggregate(queue.queue, Patience(size_max, delay_s, grace_s))
    return [one for batch in batches for one in batch]


def finish(queue: QueueHarness, made: AggregationSet, request: EnqueueRequest) -> EnqueueOutcome | None:
    """Let the request stand for the tasks of a set."""
    (outcome,) = queue.broker.maintaining.finish_sets([(made, request)])
    return outcome
