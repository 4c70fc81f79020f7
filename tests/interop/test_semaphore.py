"""Do Go's processes and ours share one semaphore, and say the same words?"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import redis

import asynq_compat as asynq
from asynq_compat.errors import AsynqError, InvalidArgumentError, NotFoundError
from tests.interop.go_oracle import Oracle, OracleError

pytestmark = [pytest.mark.redis, pytest.mark.go]

KEY = "asynq:sema:mail: über {a}"
SCOPE = KEY.removeprefix("asynq:sema:")


class TaskContext(asynq.Context):
    """A context with what the test says."""

    def __init__(self, task_id: str | None, deadline_s: float | None) -> None:
        super().__init__()
        self._task_id = task_id
        self._deadline = None if deadline_s is None else datetime.fromtimestamp(deadline_s, UTC)

    @property
    def task_id(self) -> str | None:
        return self._task_id

    @property
    def deadline(self) -> datetime | None:
        return self._deadline


class Sides:
    """The same semaphore, by Go and by us."""

    def __init__(self, oracle: Oracle, url: str, max_tokens: int) -> None:
        self._oracle = oracle
        self._url = url
        self._max_tokens = max_tokens
        self.ours = asynq.Semaphore(url, SCOPE, max_tokens)

    def go_acquire(self, task_id: str, deadline_s: float) -> bool:
        return bool(self._call("acquire", task_id, deadline_s))

    def go_release(self, task_id: str) -> None:
        self._call("release", task_id, time.time() + 60)

    def _call(self, operation: str, task_id: str, deadline_s: float) -> object:
        return self._oracle.call(
            f"semaphore.{operation}",
            redis=self._url,
            scope=SCOPE,
            max_tokens=self._max_tokens,
            task_id=task_id,
            deadline_ns=round(deadline_s * 1e9),
        )


def test_go_and_python_share_one_semaphore(oracle: Oracle, redis_url: str) -> None:
    at_s = int(time.time()) + 600.75
    sides = Sides(oracle, redis_url, 2)

    with sides.ours as ours, redis.Redis.from_url(redis_url) as database:
        assert sides.go_acquire("go-1", at_s)
        assert ours.acquire(TaskContext("py-1", at_s))
        assert not sides.go_acquire("go-2", at_s)
        assert not ours.acquire(TaskContext("py-2", at_s))
        assert database.zrange(KEY, 0, -1, withscores=True) == [(b"go-1", int(at_s)), (b"py-1", int(at_s))]

        ours.release(TaskContext("go-1", at_s))
        assert sides.go_acquire("go-2", at_s)
        sides.go_release("py-1")
        sides.go_release("go-2")
        assert database.keys() == []


@pytest.mark.parametrize("who", ["go", "python"])
def test_both_forget_a_holder_at_the_same_second(oracle: Oracle, redis_url: str, who: str) -> None:
    sides = Sides(oracle, redis_url, 9)

    with sides.ours as ours, redis.Redis.from_url(redis_url) as database:
        acquire = sides.go_acquire if who == "go" else lambda name, at_s: ours.acquire(TaskContext(name, at_s))
        now_s = -1
        while now_s != int(time.time()):  # Until all of it was done within one second.
            database.delete(KEY)
            now_s = int(time.time())
            database.zadd(KEY, {f"{after_s:+d}": now_s + after_s for after_s in range(-3, 3)})
            acquire("new", now_s + 60)

        left = {int(name) for name in database.zrange(KEY, 0, -1) if name != b"new"}
    assert left == {0, 1, 2}


def _refusals(call: Callable[[], object]) -> str:
    with pytest.raises((OracleError, AsynqError)) as refused:
        call()
    return refused.value.text if isinstance(refused.value, OracleError) else str(refused.value)


def test_what_is_wrong_is_told_in_gos_words(oracle: Oracle, redis_url: str) -> None:
    def go(operation: str, **args: object) -> str:
        given = {"redis": redis_url, "scope": "s", "max_tokens": 1} | args
        return _refusals(lambda: oracle.call(f"semaphore.{operation}", **given)).removeprefix("panic: ")

    with asynq.Semaphore(redis_url, "s", 1) as ours:
        soon_s = time.time() + 60
        no_deadline, no_task = TaskContext("t", None), TaskContext(None, soon_s)
        assert _refusals(lambda: ours.acquire(TaskContext(None, None))) == go("acquire")
        assert _refusals(lambda: ours.acquire(no_deadline)) == go("acquire")
        assert _refusals(lambda: ours.acquire(no_task)) == go("acquire", deadline_ns=round(soon_s * 1e9))
        assert _refusals(lambda: ours.release(no_task)) == go("release", deadline_ns=round(soon_s * 1e9))
        nobody = 'no"bo\ndy'
        said = go("release", task_id=nobody, deadline_ns=round(soon_s * 1e9))
        assert _refusals(lambda: ours.release(TaskContext(nobody, soon_s))) == said
        with pytest.raises(NotFoundError):
            ours.release(TaskContext(nobody, soon_s))
    for scope, max_tokens in (("s", 0), (" \t", 1), ("", -1)):
        said = go("acquire", scope=scope, max_tokens=max_tokens)
        with pytest.raises(InvalidArgumentError) as refused:
            asynq.new_semaphore(redis_url, scope, max_tokens)
        assert str(refused.value) == said
