"""Does our client write to Redis what Go's does, whatever the options, and tell its caller the same?

Both enqueue the same task with the same options into databases of their own; keys, types, values, scores and lifetimes are then compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import asynq_compat as asynq
from tests.interop.go_oracle import Oracle, OracleError
from tests.services.redis import RedisServer

GO_DATABASE, OUR_DATABASE = 13, 14
# Between the two calls: scores, locks and pending_since may differ by so much.
TOLERANCE_S = 5
NS = 10**9

# The same option, in the oracle's form and in ours. Instants are given from now.
GoOption = tuple[str, Any]
SECONDS = st.sampled_from([-5, 0, 0.5, 1, 1.5, 10, 90.25, 3_600])
TEXTS = st.sampled_from(["", " ", "x", "low:1", "größe", "a{b}c", "\x1c", "\u3000", 'q"\\'])
OPTIONS: st.SearchStrategy[GoOption] = st.one_of(
    st.tuples(st.just("MaxRetry"), st.integers(-3, 100)),
    st.tuples(st.sampled_from(["Queue", "Group"]), TEXTS),
    st.tuples(st.sampled_from(["Timeout", "Unique", "ProcessIn", "Retention"]), SECONDS),
    st.tuples(st.sampled_from(["Deadline", "ProcessAt"]), SECONDS),
)
TASKS = st.tuples(
    st.sampled_from(["email", "", "\t", "größe", "\x1c"]),
    st.one_of(st.none(), st.binary(max_size=20)),
    st.one_of(st.none(), st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=1)),
)
MAKE: Mapping[str, Callable[[Any], asynq.Option]] = {
    "MaxRetry": asynq.MaxRetry,
    "Queue": asynq.Queue,
    "Group": asynq.Group,
    "TaskID": asynq.TaskID,
    "Timeout": asynq.Timeout,
    "Unique": asynq.Unique,
    "ProcessIn": asynq.ProcessIn,
    "Retention": asynq.Retention,
    "Deadline": asynq.Deadline,
    "ProcessAt": asynq.ProcessAt,
}


def for_go(option: GoOption, now_ns: int) -> dict[str, Any]:
    name, value = option
    if name in {"Deadline", "ProcessAt"}:
        return {name: now_ns + int(value * NS)}
    return {name: int(value * NS) if name in {"Timeout", "Unique", "ProcessIn", "Retention"} else value}


def for_us(option: GoOption, now_ns: int) -> asynq.Option:
    name, value = option
    if name in {"Deadline", "ProcessAt"}:
        micros = (now_ns + int(value * NS)) // 1_000
        return MAKE[name](datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros))
    return MAKE[name](value)


class Sides:
    """Go's client on one database, ours on another."""

    def __init__(self, oracle: Oracle, server: RedisServer) -> None:
        self._oracle = oracle
        self._go_url, self._our_url = (f"{server.url}/{number}" for number in (GO_DATABASE, OUR_DATABASE))
        self.client = asynq.Client(self._our_url)

    def clear(self) -> None:
        for url in (self._go_url, self._our_url):
            with redis.Redis.from_url(url) as connection:
                connection.flushdb()
        # Both clients remember which queues they have announced.
        self._oracle.call("client.close", redis=self._go_url)
        self.client.close()
        self.client = asynq.Client(self._our_url)

    def go(self, kind: str, payload: bytes | None, headers: Mapping[str, str] | None, options: list[Any]) -> Any:
        args = {"type": kind, "payload": payload, "headers": headers, "options": options}
        try:
            return self._oracle.call("client.enqueue", redis=self._go_url, **args)
        except OracleError as error:
            return error

    def ours(self, task: asynq.Task, options: list[asynq.Option]) -> asynq.TaskInfo | asynq.AsynqError:
        try:
            return self.client.enqueue(task, *options)
        except asynq.AsynqError as error:
            return error

    def databases(self) -> tuple[dict[str, Any], dict[str, Any]]:
        with redis.Redis.from_url(self._go_url) as go, redis.Redis.from_url(self._our_url) as ours:
            return contents(go), contents(ours)


def contents(connection: Any) -> dict[str, Any]:
    """Every key's type, value and lifetime."""
    found: dict[str, Any] = {}
    for key in sorted(connection.keys()):
        kind = connection.type(key).decode()
        read = {
            "hash": connection.hgetall,
            "string": connection.get,
            "set": connection.smembers,
            "list": lambda name: connection.lrange(name, 0, -1),
            "zset": lambda name: connection.zrange(name, 0, -1, withscores=True),
        }[kind]
        found[key.decode()] = (kind, read(key), connection.ttl(key))
    return found


def assert_alike(go: dict[str, Any], ours: dict[str, Any]) -> None:
    assert set(ours) == set(go)
    for key, (kind, go_value, go_ttl) in go.items():
        our_kind, our_value, our_ttl = ours[key]
        assert our_kind == kind, key
        assert our_ttl == pytest.approx(go_ttl, abs=TOLERANCE_S), key
        if kind == "zset":
            assert [member for member, _ in our_value] == [member for member, _ in go_value], key
            assert [s for _, s in our_value] == pytest.approx([s for _, s in go_value], abs=TOLERANCE_S), key
        elif kind == "hash":
            our_since, go_since = (int(value.pop(b"pending_since", 0)) / NS for value in (our_value, go_value))
            assert our_since == pytest.approx(go_since, abs=TOLERANCE_S), key
            assert our_value == go_value, key
        else:
            assert our_value == go_value, key


def told_by_us(info: asynq.TaskInfo) -> dict[str, Any]:
    """Our TaskInfo in the oracle's form, without the instant of now."""
    return {
        "id": info.id, "queue": info.queue, "type": info.type, "state": str(info.state), "max_retry": info.max_retry,
        "retried": info.retried, "last_err": info.last_err, "timeout_ns": info.timeout // timedelta(microseconds=1) * 1_000,
        "deadline": None if info.deadline is None else int(info.deadline.timestamp()), "group": info.group,
        "is_orphaned": info.is_orphaned, "retention_ns": info.retention // timedelta(microseconds=1) * 1_000,
        "headers": dict(info.headers or {}), "last_failed_at": info.last_failed_at, "completed_at": info.completed_at,
    }  # fmt: skip


@pytest.fixture(scope="module")
def sides(oracle: Oracle, redis_server: RedisServer) -> Iterator[Sides]:
    sides = Sides(oracle, redis_server)
    yield sides
    sides.client.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(task=TASKS, options=st.lists(OPTIONS, max_size=4))
def test_any_task_with_any_options_is_stored_as_go_stores_it(
    sides: Sides, task: tuple[str, bytes | None, dict[str, str] | None], options: list[GoOption]
) -> None:
    sides.clear()
    now_ns = time.time_ns() // 1_000 * 1_000
    kind, payload, headers = task
    options = [("TaskID", "the-id"), *options]

    by_go = sides.go(kind, payload, headers, [for_go(option, now_ns) for option in options])
    ours = sides.ours(asynq.Task(kind, payload, headers=headers), [for_us(option, now_ns) for option in options])

    if isinstance(ours, asynq.AsynqError):
        assert isinstance(by_go, OracleError), f"Go takes it, we say {ours}"
        assert str(ours).startswith(by_go.text)
    else:
        assert not isinstance(by_go, OracleError), f"we take it, Go says {by_go}"
        told = told_by_us(ours)
        go_told = {**{name: by_go[name] for name in told}, "headers": by_go["headers"] or {}}
        assert told == go_told
        assert (ours.next_process_at is None) == (by_go["next_process_at"] is None)
        if ours.next_process_at is not None:
            assert ours.next_process_at.timestamp() == pytest.approx(by_go["next_process_at"][0], abs=TOLERANCE_S)
    assert_alike(*sides.databases())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([("TaskID", "a")], [("TaskID", "a")]),
        ([("TaskID", "a")], [("TaskID", "a"), ("ProcessIn", 60)]),
        ([("TaskID", "a"), ("Unique", 60)], [("TaskID", "b"), ("Unique", 60)]),
        ([("TaskID", "a")], [("TaskID", "a"), ("Unique", 60)]),
        ([("TaskID", "a"), ("Group", "g")], [("TaskID", "a"), ("Group", "g"), ("Unique", 60)]),
        ([("TaskID", "a"), ("ProcessIn", 60), ("Unique", 60)], [("TaskID", "b"), ("Unique", 60)]),
    ],
)
def test_a_second_task_meets_the_same_refusal(sides: Sides, first: list[GoOption], second: list[GoOption]) -> None:
    sides.clear()
    for options in (first, second):
        by_go = sides.go("t", b"p", None, [for_go(option, 0) for option in options])
        (ours,) = sides.client.enqueue_many([(asynq.Task("t", b"p"), *(for_us(option, 0) for option in options))])

        assert isinstance(ours, asynq.AsynqError) == isinstance(by_go, OracleError)
        if isinstance(by_go, OracleError):
            assert str(ours) == by_go.text
            assert by_go.names == {
                {"DuplicateTaskError": "ErrDuplicateTask"}.get(type(ours).__name__, "ErrTaskIDConflict")
            }

    assert_alike(*sides.databases())


@pytest.mark.parametrize(
    "uri",
    [
        "redis://h", "redis://h:1/2", "redis://:p@h:1", "redis://u:p@h:1", "redis://h:1/", "redis://h:1/x", "http://h", "h:1",
        "127.0.0.1:1", "redis-socket:///s?db=x", "redis-socket://h", "redis://h:x", "redis://:%zz@h",
        "redis://h%40h", "redis://h%2eh:1", "redis://h#%zz", "redis://h\x7f", "redis-socket:///s?db=x;y", "redis-socket:///s?db=%zz",
        "redis-socket://[::1]/@", "redis://[::1%25e]/x@",
    ],
)  # fmt: skip
def test_the_clients_agree_which_uris_can_be_read(sides: Sides, uri: str) -> None:
    """Go's oracle parses a URI before it connects: its refusal is the parser's, or the network's."""
    try:
        sides._oracle.call("client.enqueue", redis=uri, type="", payload=None, headers=None, options=[])
    except OracleError as error:
        go_refusal = error.text if error.text.startswith("asynq: ") else ""
    try:
        asynq.parse_redis_uri(uri)
        our_refusal = ""
    except asynq.InvalidArgumentError as error:
        our_refusal = str(error)

    assert bool(our_refusal) == bool(go_refusal), (our_refusal, go_refusal)
    if not go_refusal.startswith("asynq: could not parse redis uri: parse "):
        assert our_refusal == go_refusal
