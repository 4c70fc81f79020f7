"""What can be asked about schedulers?

Contract: thread-safe; see `Inspector`.
"""

from __future__ import annotations

from datetime import datetime

from asynq_compat.infos import SchedulerEnqueueEvent, SchedulerEntry
from asynq_compat.inspection.inspection import Inspection
from asynq_compat.inspection.option_texts import read_option
from asynq_compat.inspection.refusals import check_text
from asynq_compat.listing import ListOption, page_extent, paging
from asynq_compat.rules.instants import instant_of
from asynq_compat.task import Task
from asynq_compat.wire import schedule as wire
from asynq_compat.wire.server_info import ZERO_TIME_NS


class SchedulerInspection(Inspection):
    """Periodic tasks and what they enqueued."""

    def scheduler_entries(self) -> list[SchedulerEntry]:
        """Return the periodic tasks of all schedulers that live; options that cannot be read are left out."""
        return [_entry(told) for told in self._broker.scheduling.entries()]

    def list_scheduler_enqueue_events(
        self, entry_id: str, *options: ListOption, page_size: int | None = None, page: int | None = None
    ) -> list[SchedulerEnqueueEvent]:
        """Return what a periodic task enqueued, the newest first; nothing for an id that is not known."""
        check_text("entry_id", entry_id)
        size, number = paging(options, page_size, page)
        start, count = (0, None) if size == 0 or number == 0 else page_extent(size, number)
        events = self._broker.scheduling.enqueue_events(entry_id, start=start, count=count)
        shown = events[-size:] if number == 0 else events  # Page 0 is the last one; size 0 is everything.
        return [
            SchedulerEnqueueEvent(task_id=event.task_id, enqueued_at=instant_of(event.enqueue_time_ns))
            for event in shown
        ]


def _entry(told: wire.SchedulerEntry) -> SchedulerEntry:
    read = (read_option(text) for text in told.enqueue_options)
    return SchedulerEntry(
        id=told.id,
        spec=told.spec,
        task=Task(told.task_type, told.task_payload or None),
        opts=tuple(option for option in read if option is not None),
        next=_instant(told.next_enqueue_time_ns),
        prev=_instant(told.prev_enqueue_time_ns),
    )


def _instant(unix_ns: int) -> datetime | None:
    return None if unix_ns == ZERO_TIME_NS else instant_of(unix_ns)
