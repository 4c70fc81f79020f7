"""What do the options of one enqueue mean together?

Contract: pure, but for a warning about a plan that nobody can mean; plans are remembered by their options, since bulk enqueue asks the same
again and again, so that it comes once.
Not obvious: a chosen id is no part of a plan, else every task with an id of its own would need a plan of its own.
Source: asynq v0.26.0 `composeOptions`; docs/semantics.md, "options".
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.options import Option, OptionType
from asynq_compat.rules.go_text import go_duration
from asynq_compat.rules.limits import INSTANT_S_MIN, NS_PER_S, hopeless_timeout, is_blank, shown, truncated_s
from asynq_compat.wire.hot_record import hot_record

_log = logging.getLogger("asynq_compat")
_MAX_RETRY = 25
_TIMEOUT_NS = 30 * 60 * NS_PER_S
_GO_ZERO_TIME_NS = INSTANT_S_MIN * NS_PER_S
_PLANS_MAX = 1_024  # distinct sets of options remembered; past it the memory starts again


@hot_record
class Plan:
    """What a set of options means, whatever the task and the time.

    Attributes:
        unique_ns: How long the uniqueness lock lasts; 0 for none.
        process_at_ns, process_in_ns: When it becomes pending: at most one of them is given.
        is_pending: No group, and pending at once.
    """

    queue: str
    max_retry: int
    timeout_s: int
    deadline_s: int
    retention_s: int
    unique_ns: int
    process_at_ns: int | None
    process_in_ns: int | None
    group: str
    is_pending: bool


_plans: dict[tuple[Option, ...], Plan] = {}
known_plan = _plans.get
"""The plan of options that were seen before, or None: the way of the many, see `plan_of` for all."""


def plan_of(options: tuple[Option, ...]) -> tuple[Plan, str]:
    """Return what the options mean, and the id that they choose or "".

    Raises:
        InvalidArgumentError: The first option that is wrong is told.
    """
    task_id = ""
    others = []
    for option in options:
        if not isinstance(option, Option):
            raise InvalidArgumentError(
                f"{shown(option)} is no option; use Queue(...), MaxRetry(...), ... or the keyword form"
            )
        _check(option)
        if option.type is OptionType.TASK_ID:
            task_id = option.text
        else:
            others.append(option)
    rest = tuple(others)
    plan = _plans.get(rest)
    if plan is None:
        if len(_plans) >= _PLANS_MAX:
            _plans.clear()
        plan = _plans[rest] = _planned(rest)
    return plan, task_id


def _check(option: Option) -> None:
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
    check_utf8(option.text, option.type.name.lower())


_BLANK_REFUSALS = {
    OptionType.QUEUE: "queue name must contain one or more characters",
    OptionType.TASK_ID: "task ID cannot be empty",
    OptionType.GROUP: "group key cannot be empty",
}


def check_utf8(text: str, name: str) -> None:
    """Refuse a text that has no UTF-8 form; `name` is what the error calls it.

    Raises:
        InvalidArgumentError: It holds a lone surrogate.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(
            f"{name} must be valid Unicode, got {shown(text)} with a lone surrogate; decode it properly first"
        ) from None


# These two are one kind: the later one holds.
_RIVALS = {OptionType.PROCESS_AT: OptionType.PROCESS_IN, OptionType.PROCESS_IN: OptionType.PROCESS_AT}


def _planned(options: tuple[Option, ...]) -> Plan:
    wishes: dict[OptionType, Option] = {}
    for option in options:
        wishes.pop(_RIVALS.get(option.type, option.type), None)
        wishes[option.type] = option
    deadline_ns = _number(wishes, OptionType.DEADLINE)
    if deadline_ns == _GO_ZERO_TIME_NS:  # Go's zero time means none, as the epoch does
        deadline_ns = 0
    timeout_ns = _number(wishes, OptionType.TIMEOUT)
    if timeout_ns == 0 and deadline_ns == 0:
        timeout_ns = _TIMEOUT_NS
    if truncated_s(timeout_ns) < 0:
        _log.warning("%s", hopeless_timeout(truncated_s(timeout_ns)))
    queue, group = wishes.get(OptionType.QUEUE), wishes.get(OptionType.GROUP)
    unique_ns = _number(wishes, OptionType.UNIQUE)
    process_at, process_in = wishes.get(OptionType.PROCESS_AT), wishes.get(OptionType.PROCESS_IN)
    return Plan(
        queue="default" if queue is None else queue.text,
        max_retry=_number(wishes, OptionType.MAX_RETRY, _MAX_RETRY),
        timeout_s=truncated_s(timeout_ns),
        deadline_s=deadline_ns // NS_PER_S,
        retention_s=truncated_s(_number(wishes, OptionType.RETENTION)),
        unique_ns=unique_ns,
        process_at_ns=None if process_at is None else process_at.number,
        process_in_ns=None if process_in is None else process_in.number,
        group="" if group is None else group.text,
        is_pending=not (group or process_at or process_in),
    )


def _number(wishes: Mapping[OptionType, Option], kind: OptionType, default: int = 0) -> int:
    option = wishes.get(kind)
    return default if option is None else option.number
