"""How does an operator look at queues and tasks, and change them?

Contract: thread-safe. Reads change nothing; each change is one atomic step, or, of many tasks, several. Error texts are Go's, the classes are ours.
Not obvious: texts differ from method to method, as Go's do; nobody should parse them. What it can do stands in `inspection`.
Source: asynq v0.26.0 `Inspector`; docs/semantics.md, "inspector".
"""

from __future__ import annotations

from asynq_compat.connect import BrokerTarget
from asynq_compat.inspection.bulk import BulkInspection
from asynq_compat.inspection.groups import GroupInspection
from asynq_compat.inspection.queues import QueueInspection
from asynq_compat.inspection.schedulers import SchedulerInspection
from asynq_compat.inspection.servers import ServerInspection
from asynq_compat.inspection.tasks import TaskInspection
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.keywords import suggesting_fields


@suggesting_fields
class Inspector(
    QueueInspection, TaskInspection, GroupInspection, BulkInspection, ServerInspection, SchedulerInspection
):
    """Reads and changes queues and tasks. ``with Inspector(...) as inspector:`` closes it."""

    def __init__(self, target: BrokerTarget = None, *, clock: Clock | None = None) -> None:
        super().__init__(target, clock=clock)


new_inspector = Inspector  # Go: NewInspector
new_inspector_from_redis_client = Inspector.from_redis_client  # Go: NewInspectorFromRedisClient
