"""Is an enqueued task the one that a test expects, and if none is, which comes nearest?

Contract: pure. A wish names some of a task's fields; what it does not name may be anything.
Not obvious: fractions of a second are cut from instants and durations as Asynq cuts them, so a wish for ``process_in=0.5`` is met by
the task that was enqueued with it.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.options import Duration, Instant, duration_ns, instant_ns
from asynq_compat.rules.instants import instant_of
from asynq_compat.rules.keywords import unknown_keyword
from asynq_compat.rules.limits import NS_PER_S
from asynq_compat.testing.recording import Enqueued

_SHOWN_CHARACTERS_MAX = 200
_LISTED_MAX = 20


class _Anything:
    """Equal to everything: stands for a value, also inside a payload, that does not matter to a test."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]  # what equals everything is no key

    def __repr__(self) -> str:
        return "ANY"


ANY: Any = _Anything()


class Wish(TypedDict, total=False):
    """What a test may say about a task beside its type; the words are those of `Client.enqueue`.

    `payload` is bytes, text, a function of the payload's bytes that says whether it is right, or anything else, which is compared with the
    payload read as JSON. `headers` are those that must be among the task's.
    """

    payload: object
    headers: Mapping[str, str]
    queue: str
    task_id: str
    max_retry: int
    timeout: Duration
    deadline: Instant
    unique: Duration
    process_at: Instant
    process_in: Duration
    retention: Duration
    group: str


def check_wish(type_name: object, wish: Mapping[str, object]) -> None:
    """Refuse a wish that no task can ever meet because it is misspelt.

    Raises:
        InvalidArgumentError: A field is unknown, or the type is no text.
    """
    if type_name is not None and not isinstance(type_name, str):
        raise InvalidArgumentError(f"a task's type must be a str, got {type_name!r}; leave it out for any")
    for name in wish:
        if name not in Wish.__annotations__:
            raise unknown_keyword(name, Wish.__annotations__, of="a wish for a task")


def differences(task: Enqueued, type_name: str | None, wish: Mapping[str, object]) -> list[str]:
    """Return in words what of `task` is not as wished; empty when it is the one."""
    found = [] if type_name in {None, task.type} else [f"its type is {task.type!r}, not {type_name!r}"]
    for name, wanted in wish.items():
        if not _MEETS.get(name, _is_equal)(task, name, wanted):
            found.append(f"its {name} is {_value(task, name)}, not {_shown(wanted)}")
    return found


def _is_equal(task: Enqueued, name: str, wanted: object) -> bool:
    return bool(wanted == getattr(task, name))


def _meets_payload(task: Enqueued, name: str, wanted: object) -> bool:
    del name
    payload = task.payload or b""
    if wanted is None or isinstance(wanted, bytes):
        return payload == (wanted or b"")
    if isinstance(wanted, str):
        return payload == wanted.encode()
    if callable(wanted):
        return bool(wanted(payload))
    try:
        return bool(wanted == json.loads(payload))
    except ValueError:
        return wanted is ANY


def _meets_headers(task: Enqueued, name: str, wanted: object) -> bool:
    del name
    if not isinstance(wanted, Mapping):
        return bool(wanted == task.headers)
    return all(key in task.headers and value == task.headers[key] for key, value in wanted.items())


def _meets_duration(task: Enqueued, name: str, wanted: object) -> bool:
    held: timedelta = getattr(task, name)
    return wanted is ANY or held // timedelta(seconds=1) == duration_ns(name, wanted) // NS_PER_S


def _meets_unique(task: Enqueued, name: str, wanted: object) -> bool:
    return bool(task.unique) if wanted is ANY else _meets_duration(task, name, wanted)


def _meets_instant(task: Enqueued, name: str, wanted: object) -> bool:
    held: datetime | None = getattr(task, name)
    if held is None or wanted is None or wanted is ANY:
        return held is wanted or (held is not None and wanted is ANY)
    return held == instant_of(instant_ns(name, wanted) // NS_PER_S * NS_PER_S)


def _meets_process_in(task: Enqueued, name: str, wanted: object) -> bool:
    if task.process_at is None or wanted is ANY:
        return task.process_at is not None or wanted == 0
    due_ns = round(task.enqueued_at.timestamp() * 1e6) * 1_000 + duration_ns(name, wanted)
    return task.process_at == instant_of(due_ns // NS_PER_S * NS_PER_S)


_MEETS: Mapping[str, Callable[[Enqueued, str, object], bool]] = {
    "payload": _meets_payload,
    "headers": _meets_headers,
    "timeout": _meets_duration,
    "deadline": _meets_instant,
    "unique": _meets_unique,
    "process_at": _meets_instant,
    "process_in": _meets_process_in,
    "retention": _meets_duration,
}


# --- words ------------------------------------------------------------------------------------------------------------------------


def wish_in_words(type_name: str | None, wish: Mapping[str, object]) -> str:
    """Return what a test wished for."""
    said = [f"{name}={_shown(value)}" for name, value in wish.items()]
    return " ".join([type_name or "(any type)", *said])


def listing(tasks: Sequence[Enqueued], said: str = "enqueued in this test") -> str:
    """Return one line for each of the tasks, the last twenty where there are many."""
    if not tasks:
        return f"{said}: nothing"
    first = max(0, len(tasks) - _LISTED_MAX)
    lines = [f"  {number}. {described(task)}" for number, task in enumerate(tasks[first:], first + 1)]
    left_out = [f"  ({first} before them)"] if first else []
    return "\n".join([f"{said} ({len(tasks)}):", *left_out, *lines])


def nearest_miss(tasks: Sequence[Enqueued], type_name: str | None, wish: Mapping[str, object]) -> str:
    """Return which task comes nearest to a wish that none meets, and what is wrong with it; "" when there is none."""
    if not tasks:
        return ""
    misses = [differences(task, type_name, wish) for task in tasks]
    number = min(range(len(tasks)), key=lambda n: _distance(tasks[n], type_name, misses[n]))
    return f"nearest is {number + 1}. {tasks[number].type}: {', '.join(misses[number])}"


def _distance(task: Enqueued, type_name: str | None, miss: Sequence[str]) -> float:
    """A type that is not at all like the one wished for is further away than any number of other fields."""
    unlike = 0.0 if type_name is None else 1 - difflib.SequenceMatcher(None, task.type, type_name).ratio()
    return len(miss) + len(Wish.__annotations__) * unlike


def described(task: Enqueued) -> str:
    """Return a task in one line: type, payload, queue, and what is not as usual."""
    said = [task.type, f"payload={_value(task, 'payload')}", f"queue={task.queue!r}"]
    if task.process_at is not None:
        said.append(f"process_in={_value(task, 'process_in')}")
    said.extend(
        f"{name}={_value(task, name)}" for name in ("unique", "retention", "group", "headers") if getattr(task, name)
    )
    return " ".join([*said, f"task_id={task.task_id!r}"])


def _value(task: Enqueued, name: str) -> str:
    if name == "payload":
        return _payload_in_words(task.payload)
    if name == "process_in":
        return "nothing" if task.process_at is None else f"{(task.process_at - task.enqueued_at).total_seconds():g}"
    return _shown(getattr(task, name))


def _payload_in_words(payload: bytes | None) -> str:
    try:
        return _cut((payload or b"nothing").decode())
    except UnicodeDecodeError:
        return _shown(payload)


def _shown(value: object) -> str:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}"
    if callable(value):
        return getattr(value, "__name__", repr(value))
    return _cut(str(value) if isinstance(value, datetime) else repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else f"{text[:_SHOWN_CHARACTERS_MAX]}…"
