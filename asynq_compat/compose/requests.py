"""What does a broker get for a task, and what is its caller told?

Contract: as the package says.
Not obvious: `compose_many` is the hot path of bulk enqueue. The ordinary case, a task that is pending at once, is written out in its loop.
Source: asynq v0.26.0 `Client.EnqueueContext`; docs/semantics.md, "enqueue".
"""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from typing import NoReturn

from asynq_compat.compose.plan import Plan, check_utf8, known_plan, plan_of
from asynq_compat.compose.task_ids import new_task_id, new_task_ids
from asynq_compat.errors import AsynqError, InvalidArgumentError
from asynq_compat.options import Option
from asynq_compat.ports.producing import EnqueueRequest
from asynq_compat.rules.limits import NS_PER_S, is_blank, shown
from asynq_compat.rules.task_state import TaskState
from asynq_compat.task import Task, TaskInfo
from asynq_compat.wire.message import encode_new
from asynq_compat.wire.unique import unique_key

EnqueueItem = Task | tuple[Task, *tuple[Option, ...]]


def compose(task: Task, options: Sequence[Option], now_ns: int) -> tuple[EnqueueRequest, TaskInfo]:
    """Return the request to store `task`, and what its caller will be told once it is stored.

    Args:
        task: The task; its own options come before `options`.
        options: Options of this call; the last of a kind holds.
        now_ns: The time of the call, Unix nanoseconds.

    Raises:
        InvalidArgumentError: Something about the task or an option is wrong; nothing was sent.
    """
    _check_task(task)
    return _composed(task, task.options + tuple(options), "", now_ns)


def compose_many(
    items: Sequence[EnqueueItem], options: tuple[Option, ...], now_ns: int
) -> tuple[list[EnqueueRequest], list[TaskInfo | AsynqError]]:
    """Compose each item: a task, or a tuple of a task and its options.

    Args:
        items: What to enqueue. An item's options overrule `options`, which overrule those of its task.
        options: Options for all items.
        now_ns: The time of the call, Unix nanoseconds.

    Returns:
        The requests of the items that are in order, and for every item, in order, what to tell its caller: what is known about the
        task once it is stored, or what is wrong with it.
    """
    # A batch makes nothing but live objects and no cycle; the collector would look at them again and again (a fifth of the CPU).
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        return _compose_each(items, options, now_ns)
    finally:
        if was_collecting:
            gc.enable()


def _compose_each(
    items: Sequence[EnqueueItem], options: tuple[Option, ...], now_ns: int
) -> tuple[list[EnqueueRequest], list[TaskInfo | AsynqError]]:
    requests: list[EnqueueRequest] = []
    results: list[TaskInfo | AsynqError] = []
    for item, new_id in zip(items, new_task_ids(len(items)), strict=True):
        try:
            if type(item) is Task:
                task, wishes = item, item.options + options
            else:
                task, wishes = _split(item, options)
            kind, payload = task.type, task.payload
            try:
                plan = known_plan(wishes)
            except TypeError:  # what cannot be looked up is no option; `_composed` says so
                plan = None
            if (
                plan is not None
                and plan.is_pending
                and type(payload) is bytes
                and type(kind) is str
                and task.headers is None
                and not is_blank(kind)
            ):
                queue, ttl_s = plan.queue, plan.unique_ns // NS_PER_S
                key = _lock(plan, kind, payload) if ttl_s else ""
                message = encode_new(
                    kind, payload, new_id, queue, plan.max_retry, plan.timeout_s, plan.deadline_s, plan.retention_s, key
                )
                request = EnqueueRequest(queue, new_id, message, None, "", key, ttl_s)
                info = TaskInfo(message, new_id, queue, TaskState.PENDING, now_ns)
            else:
                _check_task(task)
                request, info = _composed(task, wishes, new_id, now_ns)
        except AsynqError as error:
            results.append(error)
        else:
            requests.append(request)
            results.append(info)
    return requests, results


def _split(item: object, options: tuple[Option, ...]) -> tuple[Task, tuple[Option, ...]]:
    if isinstance(item, tuple) and item:
        _check_task(item[0])
        task: Task = item[0]
        return task, task.options + options + item[1:]
    _check_task(item)
    assert isinstance(item, Task)
    return item, item.options + options


def _check_task(task: object) -> None:
    if task is None:
        raise InvalidArgumentError("task cannot be nil, got None; pass a Task")
    if not isinstance(task, Task):
        raise InvalidArgumentError(f"task must be a Task, got {shown(task)}; for example Task('email:deliver', b'...')")
    if not isinstance(task.type, str):
        raise InvalidArgumentError(f"task typename must be a str, got {shown(task.type)}; it names the handler")
    if is_blank(task.type):
        raise InvalidArgumentError(f"task typename cannot be empty, got {task.type!r}; it names the handler")


def _composed(task: Task, options: tuple[Option, ...], new_id: str, now_ns: int) -> tuple[EnqueueRequest, TaskInfo]:
    plan, chosen_id = plan_of(options)
    payload = task.payload
    if not isinstance(payload, bytes | None):
        _refuse_payload(payload)
    headers = _checked_headers(task.headers)
    task_id = chosen_id or new_id or new_task_id()
    key = _lock(plan, task.type, payload) if plan.unique_ns else ""
    message = encode_new(
        task.type,
        payload,
        task_id,
        plan.queue,
        plan.max_retry,
        plan.timeout_s,
        plan.deadline_s,
        plan.retention_s,
        key,
        plan.group,
        headers,
    )
    due_s, ttl_s, state, next_at_ns = _fate(plan, now_ns)
    request = EnqueueRequest(plan.queue, task_id, message, due_s, plan.group, key, ttl_s, bool(chosen_id))
    return request, TaskInfo(message, task_id, plan.queue, state, next_at_ns)


def _lock(plan: Plan, kind: str, payload: bytes | None) -> str:
    """Return the key of the lock."""
    check_utf8(kind, "task typename")
    return unique_key(plan.queue, kind, payload)


def _fate(plan: Plan, now_ns: int) -> tuple[int | None, int, TaskState, int | None]:
    """Return the due second (None: at once), the lock's seconds, the state and the instant that the caller is told."""
    at_ns = plan.process_at_ns if plan.process_in_ns is None else now_ns + plan.process_in_ns
    if at_ns is not None and at_ns > now_ns:
        # Go reads its clock again for the lock, a moment later: ProcessIn(10) with Unique(5) gives 14 seconds, not 15.
        ttl_s = (at_ns + plan.unique_ns - now_ns - 1) // NS_PER_S if plan.unique_ns else 0
        return at_ns // NS_PER_S, ttl_s, TaskState.SCHEDULED, at_ns
    ttl_s = plan.unique_ns // NS_PER_S
    if plan.group:
        return None, ttl_s, TaskState.AGGREGATING, None
    return None, ttl_s, TaskState.PENDING, now_ns


def _checked_headers(headers: object) -> Mapping[str, str] | None:
    if headers is None:
        return None
    if not isinstance(headers, Mapping):
        raise InvalidArgumentError(
            f"headers must map str to str, got {shown(headers)}; for example headers={{'trace': 'a1'}}"
        )
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidArgumentError(
                f"headers must map str to str, got {shown(name)}: {shown(value)}; convert both to str"
            )
    return headers


def _refuse_payload(payload: object) -> NoReturn:
    if isinstance(payload, Option):
        raise InvalidArgumentError(
            f"payload must be bytes or None, got the option {payload}; options come after the payload"
        )
    advice = "pass text.encode()" if isinstance(payload, str) else "pass json.dumps(value).encode()"
    if isinstance(payload, bytearray | memoryview):
        advice = "pass bytes(value)"
    raise InvalidArgumentError(f"payload must be bytes or None, got {type(payload).__name__}; {advice}")
