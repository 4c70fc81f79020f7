"""What can be asked about groups?

Contract: thread-safe; see `Inspector`. Tasks that somebody is making one of at the moment stand in no group.
"""

from __future__ import annotations

from asynq_compat.errors import QueueNotFoundError
from asynq_compat.infos import GroupInfo
from asynq_compat.inspection.inspection import Inspection
from asynq_compat.inspection.refusals import BLANK_QUEUE, check_queue, check_text
from asynq_compat.inspection.tasks import readable
from asynq_compat.listing import ListOption, page_extent, paging
from asynq_compat.task import TaskInfo


class GroupInspection(Inspection):
    """Groups, and the tasks that wait in them."""

    def groups(self, queue: str) -> list[GroupInfo]:
        """Return the groups of `queue` with their sizes, by name; none where there is no such queue."""
        found = self._broker.inspecting.groups(check_text("queue", queue))
        return [GroupInfo(group=name, size=size) for name, size in found]

    def list_aggregating_tasks(
        self, queue: str, group: str, *options: ListOption, page_size: int | None = None, page: int | None = None
    ) -> list[TaskInfo]:
        """Return the tasks that wait in a group, the first to come first; none where there is no such group.

        Raises:
            InvalidArgumentError, QueueNotFoundError: The queue is blank; there is no such queue.
        """
        check_queue(queue, f"asynq: {BLANK_QUEUE}")
        check_text("group", group)
        size, number = paging(options, page_size, page)
        start, count = self._extent(queue, group, size, number)
        found = self._broker.inspecting.list_group(queue, group, start=start, count=count)
        if found is None:
            raise QueueNotFoundError("asynq: queue not found")
        return readable(found)

    def _extent(self, queue: str, group: str, size: int, number: int) -> tuple[int, int | None]:
        """Return where a page starts and how long it is; None for everything, 0 is the number of the last page."""
        if size == 0:
            return 0, None
        if number > 0:
            return page_extent(size, number)
        total = dict(self._broker.inspecting.groups(queue)).get(group, 0)
        return max(total - size, 0), size
