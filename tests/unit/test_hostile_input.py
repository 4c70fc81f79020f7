"""Does any wrong argument of the public API raise something else than an error of ours?

Every value of a list of nasty ones is given in every place where a user gives something. A call may succeed (many of them are legal
somewhere); an error must be of our tree, short, printable, and leave the objects usable.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

import asynq_compat as asynq
from asynq_compat import ListOption, Task

Attempt = Callable[[asynq.Client, asynq.Inspector, Any], object]
MESSAGE_CHARACTERS_MAX = 500


class NoRepr:
    """A value that cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


AT_THE_END = datetime.fromisoformat("9999-12-31T23:59:59.999999")
AT_THE_BEGINNING = datetime.fromisoformat("0001-01-01T00:00:00")
NASTY: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**400, -(10**400), 10**5000, 1.5, math.nan, math.inf, -math.inf, 1e300, 5e-324,
    "", " ", "x", "\ud800", "a\0b", "x" * 100_000, "\u202e", "\x1f", "{x}", b"x", bytearray(b"x"), [], {}, (), object(), NoRepr(),
    Decimal("1.5"), Fraction(1, 2), timedelta.max, timedelta.min, AT_THE_END, AT_THE_BEGINNING, AT_THE_END.replace(tzinfo=UTC),
    AT_THE_END.replace(tzinfo=timezone(timedelta(hours=-23))), AT_THE_BEGINNING.replace(tzinfo=timezone(timedelta(hours=23))), int,
    asynq.Queue("q"), asynq.Queue,
]  # fmt: skip


def _named(name: str, call: Callable[..., Attempt]) -> tuple[str, Attempt]:
    return name, call(name)


def _keyword(name: str) -> Attempt:
    return lambda client, inspector, value: client.enqueue(Task("t", b"p"), **{name: value})


def _keyword_of_many(name: str) -> Attempt:
    return lambda client, inspector, value: client.enqueue_many([Task("t")], **{name: value})


def _option(name: str) -> Attempt:
    def make(client: asynq.Client, inspector: asynq.Inspector, value: Any) -> None:
        option = getattr(asynq, name)(value)
        assert str(option) == repr(option)
        assert option.value is not None
        client.enqueue(Task("t", None, option))

    return make


def _of_queue(name: str) -> Attempt:
    return lambda client, inspector, value: getattr(inspector, name)(value)


def _of_task(name: str) -> Attempt:
    def ask(client: asynq.Client, inspector: asynq.Inspector, value: Any) -> None:
        for queue, task_id in ((value, "id"), ("default", value)):
            with contextlib.suppress(asynq.AsynqError):
                getattr(inspector, name)(queue, task_id)

    return ask


def _config(name: str) -> Attempt:
    return lambda client, inspector, value: asynq.Config(**{name: value})


def _redis_opt(name: str) -> Attempt:
    def open_it(client: asynq.Client, inspector: asynq.Inspector, value: Any) -> None:
        fields: dict[str, Any] = {"addr": "127.0.0.1:1", name: value}
        asynq.Client(asynq.RedisClientOpt(**fields)).close()

    return open_it


def _list(option: Callable[[Any], ListOption]) -> Attempt:
    return lambda client, inspector, value: inspector.list_pending_tasks("default", option(value))


def _header(client: asynq.Client, inspector: asynq.Inspector, value: Any) -> None:
    client.enqueue(Task("t", headers={"name": value}))


def _start(client: asynq.Client, inspector: asynq.Inspector, value: Any) -> None:
    server = asynq.Server(f"memory://{uuid.uuid4()}", asynq.Config(logger=logging.getLogger("hostile")))
    server.start(value)
    server.shutdown()


def _register(client: asynq.Client, inspector: asynq.Inspector, value: Any) -> None:
    scheduler = asynq.Scheduler("memory://hostile")
    for spec, task, options in ((value, Task("t"), ()), ("@daily", value, ()), ("@daily", Task("t"), (value,))):
        with contextlib.suppress(asynq.AsynqError):
            scheduler.register(spec, task, *options)
    scheduler.unregister(value)


def _given(answer: Any) -> Any:
    return answer


def _provide(client: asynq.Client, inspector: asynq.Inspector, value: Any) -> None:
    config = asynq.PeriodicTaskConfig
    answers: tuple[Any, ...] = (
        *(value, [value], [config(value, Task("t"))], [config("@daily", value)]),
        *([config("@daily", Task(value, value))], [config("@daily", Task("t"), value)]),
        [config("@daily", Task("t", headers=value)), config("@daily", Task("t", headers={"name": value}))],
    )
    for answer in answers:
        provider = functools.partial(_given, answer)
        opts = asynq.PeriodicTaskManagerOpts(periodic_task_config_provider=provider, redis_conn_opt="memory://hostile")
        manager = asynq.PeriodicTaskManager(opts)
        with contextlib.suppress(asynq.AsynqError):
            manager.start()
        manager.shutdown()


def _scheduler_opts(name: str) -> Attempt:
    return lambda client, inspector, value: asynq.SchedulerOpts(**{name: value})


KEYWORDS = ("max_retry", "queue", "task_id", "timeout", "deadline", "unique", "process_at", "process_in", "retention", "group")  # fmt: skip
OPTIONS = ("MaxRetry", "Queue", "TaskID", "Timeout", "Deadline", "Unique", "ProcessAt", "ProcessIn", "Retention", "Group")  # fmt: skip
QUEUE_METHODS = (
    "get_queue_info", "list_pending_tasks", "list_active_tasks", "list_scheduled_tasks", "list_retry_tasks", "list_archived_tasks",
    "list_completed_tasks", "cancel_processing", "pause_queue", "unpause_queue",
)  # fmt: skip
CONFIG_FIELDS = sorted(vars(asynq.Config()))
REDIS_FIELDS = (
    "addr", "username", "password", "db", "dial_timeout", "read_timeout", "write_timeout", "pool_size", "tls_config", "network",
)  # fmt: skip
ATTEMPTS: list[tuple[str, Attempt]] = [
    *[(f"enqueue({name}=)", _keyword(name)) for name in KEYWORDS],
    *[(f"enqueue_many({name}=)", _keyword_of_many(name)) for name in KEYWORDS],
    *[_named(name, _option) for name in OPTIONS],
    *[_named(name, _of_queue) for name in QUEUE_METHODS],
    *[_named(name, _of_task) for name in ("get_task_info", "run_task", "archive_task", "delete_task")],
    *[(f"Config({name}=)", _config(name)) for name in CONFIG_FIELDS],
    *[(f"SchedulerOpts({name}=)", _scheduler_opts(name)) for name in sorted(vars(asynq.SchedulerOpts()))],
    *[(f"RedisClientOpt({name}=)", _redis_opt(name)) for name in REDIS_FIELDS],
    ("PageSize", _list(asynq.PageSize)),
    ("Page", _list(asynq.Page)),
    ("enqueue", lambda client, inspector, value: client.enqueue(value)),
    ("enqueue of an option", lambda client, inspector, value: client.enqueue(Task("t"), value)),
    ("enqueue_many", lambda client, inspector, value: client.enqueue_many(value)),
    ("item of enqueue_many", lambda client, inspector, value: client.enqueue_many([value, (Task("t"), value)])),
    ("context", lambda client, inspector, value: client.enqueue(Task("t"), context=value)),
    ("type", lambda client, inspector, value: client.enqueue(Task(value))),
    ("payload", lambda client, inspector, value: client.enqueue(Task("t", value))),
    ("headers", lambda client, inspector, value: client.enqueue(Task("t", headers=value))),
    ("header", _header),
    ("repr of a task", lambda client, inspector, value: repr(Task(value, value))),
    ("parse_redis_uri", lambda client, inspector, value: asynq.parse_redis_uri(value)),
    ("LogLevel.parse", lambda client, inspector, value: asynq.LogLevel.parse(value)),
    ("config of a server", lambda client, inspector, value: asynq.Server("memory://hostile", value)),
    ("handler of a server", _start),
    ("opts of a scheduler", lambda client, inspector, value: asynq.Scheduler("memory://hostile", value)),
    ("register and unregister", _register),
    ("answer of a provider", _provide),
    ("events of an entry", lambda client, inspector, value: inspector.list_scheduler_enqueue_events(value)),
    ("mux.handle", lambda client, inspector, value: asynq.ServeMux().handle(value, lambda ctx, task: None)),
    ("handler of a mux", lambda client, inspector, value: asynq.ServeMux().handle("t", value)),
    ("mux.use", lambda client, inspector, value: asynq.ServeMux().use(value)),
]


@pytest.fixture
def client() -> Iterator[asynq.Client]:
    with asynq.Client("memory://hostile") as opened:
        opened.enqueue(Task("t"), process_in=3600)
        yield opened


@pytest.fixture
def inspector() -> Iterator[asynq.Inspector]:
    with asynq.Inspector("memory://hostile") as opened:
        yield opened


@pytest.mark.parametrize(("name", "attempt"), ATTEMPTS, ids=[name for name, _ in ATTEMPTS])
def test_a_wrong_argument_is_an_error_of_ours(
    name: str, attempt: Attempt, client: asynq.Client, inspector: asynq.Inspector
) -> None:
    for value in NASTY:
        try:
            attempt(client, inspector, value)
        except asynq.AsynqError as error:
            text = str(error)
            assert len(text) <= MESSAGE_CHARACTERS_MAX, text[:MESSAGE_CHARACTERS_MAX]
            text.encode()  # No lone surrogate: it can be logged.

    assert isinstance(client.enqueue(Task("afterwards")), asynq.TaskInfo)


def test_what_is_no_path_is_refused() -> None:
    for path in [value for value in NASTY if not isinstance(value, str | bytes)] + ["\ud800", "a\0b", "x" * 5_000]:
        with pytest.raises(asynq.InvalidArgumentError, match="for example EmbeddedOpt"):
            asynq.Client(asynq.EmbeddedOpt(path))


@pytest.mark.parametrize("addr", ["h:99999", f"{'x' * 70}:1", "a..b:1", "h\u202e:1", ":6379", "a\0b:1"])
def test_an_address_that_cannot_be_looked_up_is_refused_at_once(addr: str) -> None:
    with pytest.raises(asynq.InvalidArgumentError, match=r"addr must be host:port, got .*; for example localhost:6379"):
        asynq.Client(asynq.RedisClientOpt(addr))


def test_an_error_about_a_field_never_shows_the_password() -> None:
    with pytest.raises(asynq.InvalidArgumentError) as caught:
        asynq.Client(asynq.RedisClientOpt(password=b"hunter2"))  # type: ignore[arg-type]  # the mistake under test

    assert str(caught.value) == "password of RedisClientOpt must be of type str, got bytes"


def test_a_blank_id_is_the_id_of_no_task(client: asynq.Client, inspector: asynq.Inspector) -> None:
    for change in (inspector.get_task_info, inspector.run_task, inspector.archive_task, inspector.delete_task):
        with pytest.raises(asynq.TaskNotFoundError):
            change("default", "")

    inspector.cancel_processing("")
