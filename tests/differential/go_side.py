"""What does Go's rdb answer?

Contract: the operations of a sequence in the words of our ports, carried out by `internal/rdb` one by one; errors become our outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from asynq_compat.ports.administering import AdminOutcome
from asynq_compat.ports.consuming import SettleKind
from asynq_compat.ports.producing import EnqueueRequest, EnqueueStatus
from asynq_compat.rules.instants import instant_of
from asynq_compat.rules.patience import Patience
from asynq_compat.wire import TaskMessage, decode_message
from tests.interop.go_oracle import Oracle, OracleError, message_args, message_of

_NS = 1_000_000_000
_MD5_OF_NOTHING = "d41d8cd98f00b204e9800998ecf8427e"
_ADMIN_TEXTS = {
    "task is already running": AdminOutcome.TASK_IS_ACTIVE,
    "in active state": AdminOutcome.TASK_IS_ACTIVE,
    "task is already in pending state": AdminOutcome.TASK_IS_PENDING,
    "already archived": AdminOutcome.TASK_IS_ARCHIVED,
    "is already paused": AdminOutcome.QUEUE_IS_PAUSED,
    "is not paused": AdminOutcome.QUEUE_IS_NOT_PAUSED,
}


class GoSide:
    """Go's broker on one database."""

    def __init__(self, oracle: Oracle, url: str) -> None:
        self._oracle = oracle
        self._url = url
        self._now_ns = 0
        oracle.call("rdb.open", broker="go", redis=url)

    def set_now(self, now_ns: int) -> None:
        """Set its clock."""
        self._now_ns = now_ns

    def _call(self, operation: str, **args: Any) -> Any:
        return self._oracle.call(f"rdb.{operation}", broker="go", now_ns=self._now_ns, **args)

    def inspect(self, operation: str, **args: Any) -> Any:
        """Return what an `Inspector` of its own answers."""
        return self._oracle.call(f"inspector.{operation}", redis=self._url, now_ns=self._now_ns, **args)

    def enqueue(self, requests: Sequence[EnqueueRequest]) -> list[EnqueueStatus]:
        """Enqueue one after another."""
        return [self._enqueue(request) for request in requests]

    def _enqueue(self, request: EnqueueRequest) -> EnqueueStatus:
        args: dict[str, Any] = {"message": message_args(decode_message(request.message))}
        if request.unique_key.endswith(_MD5_OF_NOTHING):
            args["message"]["payload"] = b""  # Not nil: Go derives a grouped task's lock again from its payload.
        unique = "_unique" if request.unique_key else ""
        if request.unique_key:
            args["ttl_ns"] = request.unique_ttl_s * 1_000_000_000
        if request.process_at is not None:
            operation = f"schedule{unique}"
            args["process_at_ns"] = request.process_at * 1_000_000_000
        elif request.group:
            operation = f"add_to_group{unique}"
            args["group"] = request.group
        else:
            operation = f"enqueue{unique}"
        try:
            self._call(operation, **args)
        except OracleError as error:
            if "rdb.ErrDuplicateTask" in error.names:
                return EnqueueStatus.DUPLICATE
            if "rdb.ErrTaskIdConflict" in error.names:
                return EnqueueStatus.ID_CONFLICT
            raise
        return EnqueueStatus.ENQUEUED

    def take(self, queue: str) -> TaskMessage | None:
        """Take one task; None when there is none."""
        try:
            return message_of(self._call("dequeue", queues=[queue])["message"])
        except OracleError as error:
            if "rdb.ErrNoProcessableTask" in error.names:
                return None
            raise

    def settle(self, message: TaskMessage, kind: SettleKind, delay_s: float, text: str, *, is_failure: bool) -> bool:
        """Settle one task; False when it is not active."""
        args: dict[str, Any] = {"message": message_args(message)}
        match kind:
            case SettleKind.DONE:
                operation = "done"
            case SettleKind.COMPLETE:
                operation = "mark_as_complete"
            case SettleKind.REQUEUE:
                operation = "requeue"
            case SettleKind.ARCHIVE:
                operation = "archive"
                args["error_msg"] = text
            case SettleKind.RETRY:
                operation = "retry"
                process_at_ns = self._now_ns + round(delay_s * 1e9)
                args |= {"process_at_ns": process_at_ns, "error_msg": text, "is_failure": is_failure}
        try:
            self._call(operation, **args)
        except OracleError as error:
            if error.text.endswith("NOT FOUND"):
                return False
            raise
        return True

    def extend(self, queue: str, ids: Sequence[str]) -> None:
        """Renew leases."""
        self._call("extend_lease", queue=queue, ids=list(ids))

    def write_result(self, queue: str, task_id: str, result: bytes) -> int:
        """Store a result."""
        written: int = self._call("write_result", queue=queue, task_id=task_id, result=result)
        return written

    def forward_due(self, queues: Sequence[str]) -> None:
        """Forward what is due."""
        self._call("forward_if_ready", queues=list(queues))

    def delete_expired_completed(self, queue: str, batch_size: int) -> None:
        """Delete completed tasks whose retention is over."""
        self._call("delete_expired_completed", queue=queue, batch_size=batch_size)

    def expired(self, queues: Sequence[str]) -> list[TaskMessage]:
        """Return what Go's recoverer would settle: leases that ended thirty seconds ago or before."""
        cutoff_ns = self._now_ns - 30_000_000_000
        found = self._call("list_lease_expired", queues=list(queues), cutoff_ns=cutoff_ns)
        return [message_of(message) for message in found]

    def administer(self, operation: str, queue: str, task_id: str = "") -> AdminOutcome | str:
        """Run, archive, delete, pause or unpause; an error that no outcome stands for is "error"."""
        args = {"queue": queue} | ({"task_id": task_id} if task_id else {})
        try:
            self._call(operation, **args)
        except OracleError as error:
            if "rdb.QueueNotFoundError" in error.names:
                return AdminOutcome.QUEUE_NOT_FOUND
            if "rdb.TaskNotFoundError" in error.names:
                return AdminOutcome.TASK_NOT_FOUND
            outcomes = [outcome for text, outcome in _ADMIN_TEXTS.items() if text in error.text]
            return outcomes[0] if outcomes else "error"
        return AdminOutcome.OK

    def change_all(self, operation: str, queue: str, state: str) -> int | None:
        """Run, archive or delete all tasks of a state; None when there is no such queue."""
        try:
            count: int = self._call(f"{operation}_{state}", queue=queue)
        except OracleError as error:
            if "rdb.QueueNotFoundError" in error.names:
                return None
            raise
        return count

    def update_payload(self, queue: str, task_id: str, payload: bytes) -> AdminOutcome | str:
        """Give a scheduled task another payload; an error that no outcome stands for is "error"."""
        try:
            self._call("update_task_payload", queue=queue, task_id=task_id, payload=payload)
        except OracleError as error:
            if "rdb.QueueNotFoundError" in error.names:
                return AdminOutcome.QUEUE_NOT_FOUND
            if "rdb.TaskNotFoundError" in error.names:
                return AdminOutcome.TASK_NOT_FOUND
            return AdminOutcome.TASK_IS_NOT_SCHEDULED if "not in scheduled state" in error.text else "error"
        return AdminOutcome.OK

    def stats(self, queue: str) -> dict[str, Any] | None:
        """Return the counts of a queue; None when there is no such queue."""
        try:
            found: dict[str, Any] = self._call("current_stats", queue=queue)
        except OracleError as error:
            if "rdb.QueueNotFoundError" in error.names:
                return None
            raise
        latency = timedelta(microseconds=found["latency_ns"] // 1_000)
        return found | {"latency": latency, "timestamp": instant_of(found["timestamp_ns"])}

    def listed(self, queue: str, state: str, page: int, size: int) -> list[dict[str, Any]] | None:
        """Return a page of tasks; None when there is no such queue."""
        try:
            found: list[dict[str, Any]] = self._call(f"list_{state}", queue=queue, page=page, size=size)
        except OracleError as error:
            if "rdb.QueueNotFoundError" in error.names:
                return None
            raise
        return found

    def groups(self, queue: str) -> list[str]:
        """Return the names of the groups, sorted."""
        found: list[str] = self._call("list_groups", queue=queue)
        return found

    def group_sizes(self, queue: str) -> dict[str, int]:
        """Return how many tasks wait in each group."""
        found: dict[str, int] = self._call("group_stats", queue=queue)
        return found

    def check_group(self, queue: str, group: str, patience: Patience) -> str:
        """Make a set of a group whose time has come; return its id, "" for none."""
        limits = {
            "grace_ns": patience.grace_s * _NS,
            "max_delay_ns": patience.delay_s * _NS,
            "max_size": patience.size_max,
        }
        found: str = self._call("aggregation_check", queue=queue, group=group, **limits)
        return found

    def read_set(self, queue: str, group: str, set_id: str) -> tuple[list[TaskMessage], int]:
        """Return the messages of a set, and when its time is over, Unix seconds."""
        found = self._call("read_aggregation_set", queue=queue, group=group, set_id=set_id)
        return [message_of(one) for one in found["messages"]], found["deadline"]

    def delete_set(self, queue: str, group: str, set_id: str) -> None:
        """Delete the tasks of a set."""
        self._call("delete_aggregation_set", queue=queue, group=group, set_id=set_id)

    def reclaim_sets(self, queue: str) -> None:
        """Return the tasks of stale sets to their groups."""
        self._call("reclaim_stale_aggregation_sets", queue=queue)

    def listed_group(self, queue: str, group: str, page: int, size: int) -> list[dict[str, Any]] | None:
        """Return a page of the tasks that wait in a group; None when there is no such queue."""
        try:
            found: list[dict[str, Any]] = self._call("list_aggregating", queue=queue, group=group, page=page, size=size)
        except OracleError as error:
            if "rdb.QueueNotFoundError" in error.names:
                return None
            raise
        return found

    def publish_cancelation(self, task_id: str) -> None:
        """Ask whoever runs the task to cancel it."""
        self._call("publish_cancelation", task_id=task_id)

    def write_server_state(self, info: dict[str, Any], workers: list[dict[str, Any]], ttl_s: int) -> None:
        """Publish a server."""
        self._call("write_server_state", info=info, workers=workers, ttl_ns=ttl_s * 1_000_000_000)

    def write_scheduler_entries(self, scheduler_id: str, entries: list[dict[str, Any]], ttl_s: int) -> None:
        """Publish the entries of a scheduler."""
        self._call("write_scheduler_entries", scheduler_id=scheduler_id, entries=entries, ttl_ns=ttl_s * 1_000_000_000)

    def clear_scheduler_entries(self, scheduler_id: str) -> None:
        """Withdraw them."""
        self._call("clear_scheduler_entries", scheduler_id=scheduler_id)

    def record_enqueue_events(self, entry_id: str, events: list[dict[str, Any]]) -> None:
        """Note what an entry enqueued."""
        self._call("record_enqueue_events", entry_id=entry_id, events=events)

    def clear_scheduler_history(self, entry_id: str) -> None:
        """Forget it."""
        self._call("clear_scheduler_history", entry_id=entry_id)

    def scheduler_entries(self) -> list[dict[str, Any]]:
        """Return the entries of all schedulers."""
        found: list[dict[str, Any]] = self._call("list_scheduler_entries")
        return found

    def enqueue_events(self, entry_id: str, page: int, size: int) -> list[dict[str, Any]]:
        """Return a page of what an entry enqueued."""
        found: list[dict[str, Any]] = self._call("list_enqueue_events", entry_id=entry_id, page=page, size=size)
        return found

    def clear_server_state(self, info: dict[str, Any]) -> None:
        """Withdraw a server."""
        self._call("clear_server_state", host=info["host"], pid=info["pid"], server_id=info["server_id"])
