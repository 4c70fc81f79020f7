"""How do a task and its options become one request?

Contract: pure but for chance (ids). The caller says what time it is. The first error in Go's order is the one reported: task, type,
options in their order (the task's own first), then what cannot be encoded.
Not obvious: `compose_many` is the hot path of bulk enqueue: what a set of options means is worked out once and remembered.
Source: asynq v0.26.0 `Client.EnqueueContext`, `composeOptions`; docs/semantics.md, "enqueue".
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from asynq_compat.errors import AsynqError, InvalidArgumentError
from asynq_compat.options import Option, OptionType
from asynq_compat.ports.producing import EnqueueRequest
from asynq_compat.rules.go_text import go_duration
from asynq_compat.rules.limits import INSTANT_S_MIN, NS_PER_S, is_blank, shown, truncated_s
from asynq_compat.rules.task_state import TaskState
from asynq_compat.task import Task, TaskInfo
from asynq_compat.wire.hot_record import hot_record
from asynq_compat.wire.message import TaskMessage, encode_message, encode_new
from asynq_compat.wire.unique import unique_key

EnqueueItem = Task | tuple[Task, *tuple[Option, ...]]

_MAX_RETRY = 25
_TIMEOUT_NS = 30 * 60 * NS_PER_S
_GO_ZERO_TIME_NS = INSTANT_S_MIN * NS_PER_S
_PLANS_MAX = 1_024  # distinct sets of options remembered; past it the memory starts again
_UUID_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


@hot_record
class Plan:
    """What a set of options means. `is_plain`: nothing about it depends on the task or the clock."""

    queue: str
    task_id: str
    max_retry: int
    timeout_s: int
    deadline_s: int
    retention_s: int
    unique_ns: int
    process_at_ns: int | None
    process_in_ns: int | None
    group: str
    is_plain: bool


_plans: dict[tuple[Option, ...], Plan] = {}


def new_task_ids(count: int) -> list[str]:
    """Return `count` new ids, UUID v4 in text form."""
    text = os.urandom(16 * count).hex()
    variant = _UUID_VARIANT
    return [
        f"{text[i : i + 8]}-{text[i + 8 : i + 12]}-4{text[i + 13 : i + 16]}"
        f"-{variant[text[i + 16]]}{text[i + 17 : i + 20]}-{text[i + 20 : i + 32]}"
        for i in range(0, 32 * count, 32)
    ]


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
    plan = _plan(task.options + tuple(options))
    return _composed(task, plan, new_task_ids(1)[0], now_ns)


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
    requests: list[EnqueueRequest] = []
    results: list[TaskInfo | AsynqError] = []
    add_request, add_result = requests.append, results.append
    for item, task_id in zip(items, new_task_ids(len(items)), strict=True):
        try:
            if type(item) is Task:
                task, wishes = item, item.options + options
            else:
                task, wishes = _split(item, options)
            if type(task.type) is not str or is_blank(task.type):
                _check_task(task)
            try:
                plan = _plans.get(wishes)
            except TypeError:  # something that cannot be looked up is no option
                plan = None
            if plan is None:
                plan = _plan(wishes)
            request, info = _composed(task, plan, task_id, now_ns)
        except AsynqError as error:
            add_result(error)
        else:
            add_request(request)
            add_result(info)
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


def _composed(task: Task, plan: Plan, task_id: str, now_ns: int) -> tuple[EnqueueRequest, TaskInfo]:
    payload = task.payload
    if payload is not None and type(payload) is not bytes:
        _refuse_payload(payload)
    queue = plan.queue
    if plan.is_plain and task.headers is None:
        message = encode_new(
            task.type, payload, task_id, queue, plan.max_retry, plan.timeout_s, plan.deadline_s, plan.retention_s
        )
        return EnqueueRequest(queue, task_id, message), TaskInfo(message, task_id, queue, TaskState.PENDING, now_ns)
    return _composed_in_full(task, plan, plan.task_id or task_id, now_ns)


def _composed_in_full(task: Task, plan: Plan, task_id: str, now_ns: int) -> tuple[EnqueueRequest, TaskInfo]:
    process_at_ns = plan.process_at_ns if plan.process_in_ns is None else now_ns + plan.process_in_ns
    lock = unique_key(plan.queue, _utf8(task.type, "task typename"), task.payload) if plan.unique_ns else ""
    message = encode_message(
        TaskMessage(
            type=task.type,
            payload=task.payload,
            id=task_id,
            queue=plan.queue,
            retry=plan.max_retry,
            timeout=plan.timeout_s,
            deadline=plan.deadline_s,
            unique_key=lock,
            retention=plan.retention_s,
            group_key=plan.group,
            headers=_checked_headers(task.headers),
        )
    )
    ttl_s = plan.unique_ns // NS_PER_S
    due_s: int | None = None
    state, next_at_ns = TaskState.PENDING, now_ns
    info_at_ns: int | None = next_at_ns
    if process_at_ns is not None and process_at_ns > now_ns:
        due_s = process_at_ns // NS_PER_S
        state, info_at_ns = TaskState.SCHEDULED, process_at_ns
        if ttl_s:
            # Go reads its clock again here, a moment later: ProcessIn(10) with Unique(5) gives 14 seconds, not 15.
            ttl_s = (process_at_ns + plan.unique_ns - now_ns - 1) // NS_PER_S
    elif plan.group:
        state, info_at_ns = TaskState.AGGREGATING, None
    request = EnqueueRequest(plan.queue, task_id, message, due_s, plan.group, lock, ttl_s, bool(plan.task_id))
    return request, TaskInfo(message, task_id, plan.queue, state, info_at_ns)


def _utf8(text: str, name: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(
            f"{name} must be valid Unicode, got {shown(text)} with a lone surrogate; decode it properly first"
        ) from None
    return text


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


def _refuse_payload(payload: object) -> None:
    if isinstance(payload, bytes):  # a subclass
        return
    if isinstance(payload, Option):
        raise InvalidArgumentError(
            f"payload must be bytes or None, got the option {payload}; options come after the payload"
        )
    advice = "pass text.encode()" if isinstance(payload, str) else "pass json.dumps(value).encode()"
    if isinstance(payload, bytearray | memoryview):
        advice = "pass bytes(value)"
    raise InvalidArgumentError(f"payload must be bytes or None, got {type(payload).__name__}; {advice}")


def _plan(options: tuple[Option, ...]) -> Plan:
    """Return what the options mean; remembered, but for ids, which do not come again."""
    wishes: dict[OptionType, Option] = {}
    for option in options:
        if not isinstance(option, Option):
            raise InvalidArgumentError(
                f"{shown(option)} is no option; use Queue(...), MaxRetry(...), ... or the keyword form"
            )
        _check_option(option)
        wishes.pop(_RIVALS.get(option.type, option.type), None)
        wishes[option.type] = option
    plan = _planned(wishes)
    if not plan.task_id:
        if len(_plans) >= _PLANS_MAX:
            _plans.clear()
        _plans[options] = plan
    return plan


# These two are one kind: the later one holds.
_RIVALS = {OptionType.PROCESS_AT: OptionType.PROCESS_IN, OptionType.PROCESS_IN: OptionType.PROCESS_AT}


def _check_option(option: Option) -> None:
    if option.type is OptionType.UNIQUE and option.number < NS_PER_S:
        given = go_duration(option.number)
        raise InvalidArgumentError(
            f"Unique TTL cannot be less than 1s, got {given}; give at least one second, or leave it out"
        )
    refusal = _BLANK_REFUSALS.get(option.type)
    if refusal is None:
        return
    if is_blank(option.text):
        raise InvalidArgumentError(f"{refusal}, got {option.text!r}; name it, or leave the option out")
    _utf8(option.text, option.type.name.lower())


_BLANK_REFUSALS = {
    OptionType.QUEUE: "queue name must contain one or more characters",
    OptionType.TASK_ID: "task ID cannot be empty",
    OptionType.GROUP: "group key cannot be empty",
}


def _planned(wishes: Mapping[OptionType, Option]) -> Plan:
    def number(kind: OptionType, default: int = 0) -> int:
        return wishes[kind].number if kind in wishes else default

    def text(kind: OptionType, default: str = "") -> str:
        return wishes[kind].text if kind in wishes else default

    deadline_ns = number(OptionType.DEADLINE)
    if deadline_ns == _GO_ZERO_TIME_NS:  # Go's zero time means none, as the epoch does
        deadline_ns = 0
    timeout_ns = number(OptionType.TIMEOUT)
    if timeout_ns == 0 and deadline_ns == 0:
        timeout_ns = _TIMEOUT_NS
    task_id, group = text(OptionType.TASK_ID), text(OptionType.GROUP)
    unique_ns = number(OptionType.UNIQUE)
    process_at = wishes.get(OptionType.PROCESS_AT)
    process_in = wishes.get(OptionType.PROCESS_IN)
    return Plan(
        queue=text(OptionType.QUEUE, "default"),
        task_id=task_id,
        max_retry=number(OptionType.MAX_RETRY, _MAX_RETRY),
        timeout_s=truncated_s(timeout_ns),
        deadline_s=deadline_ns // NS_PER_S,
        retention_s=truncated_s(number(OptionType.RETENTION)),
        unique_ns=unique_ns,
        process_at_ns=None if process_at is None else process_at.number,
        process_in_ns=None if process_in is None else process_in.number,
        group=group,
        is_plain=not (task_id or group or unique_ns or process_at or process_in),
    )
