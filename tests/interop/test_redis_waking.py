"""How soon does an idle worker on Redis hear of a task, and what does waiting cost?"""

from __future__ import annotations

import socket
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from asynq_compat.brokers.redis.consuming import RedisIntake
from asynq_compat.brokers.redis.keys import queue_keys
from asynq_compat.brokers.redis.link import ServerLink
from asynq_compat.brokers.redis.open import RedisSettings
from asynq_compat.brokers.redis.peeking import Peek
from asynq_compat.config import Config
from asynq_compat.ports.consuming import Lease, QueueOrder, SettleKind, Settlement, SettleOutcome
from asynq_compat.server import Server
from tests.interop.redis_tools import broker_at, request, settings_of
from tests.services.redis import RedisServer
from tests.services.waiting import wait_until

ORDER = QueueOrder(weights={"default": 1, "low": 1})

pytestmark = pytest.mark.redis


def push(raw: redis.Redis, task_id: str, queue: str = "default") -> None:
    """Store a task as any other program does."""
    raw.hset(
        f"asynq:{{{queue}}}:t:{task_id}", mapping={"msg": request(task_id, queue=queue).message, "state": "pending"}
    )
    raw.lpush(f"asynq:{{{queue}}}:pending", task_id)


def blocked_clients(raw: redis.Redis) -> int:
    return int(raw.info("clients")["blocked_clients"])


def calls_of(raw: redis.Redis, name: str) -> int:
    return int(raw.info("commandstats").get(f"cmdstat_{name}", {"calls": 0})["calls"])


@pytest.mark.alone
def test_a_task_pushed_by_another_program_starts_within_milliseconds(redis_url: str) -> None:
    delays_s: list[float] = []
    with (
        broker_at(settings_of(redis_url)) as broker,
        redis.Redis.from_url(redis_url) as raw,
        ThreadPoolExecutor(1) as pool,
    ):
        intake = broker.consuming.open_intake(ORDER, 1, "s")
        for number in range(30):
            taking = pool.submit(lambda: (intake.take(10), time.perf_counter()))
            wait_until(lambda: blocked_clients(raw) >= 2, "the worker waits for both queues")
            push(raw, f"task-{number}", "low" if number % 2 else "default")
            pushed_at = time.perf_counter()
            leases, taken_at = taking.result(10)
            delays_s.append(taken_at - pushed_at)
            intake.settle([Settlement(lease, SettleKind.DONE) for lease in leases], 1)
        intake.close()

    assert statistics.median(delays_s) < 0.010, f"delays in ms: {sorted(round(1000 * delay, 1) for delay in delays_s)}"


def test_a_paused_queue_is_asked_less_and_less_often(redis_url: str) -> None:
    with broker_at(settings_of(redis_url)) as broker, redis.Redis.from_url(redis_url) as raw:
        broker.producing.enqueue([request("waits")])
        broker.administering.pause_queue("default")
        intake = broker.consuming.open_intake(QueueOrder(weights={"default": 1}), 1, "s")
        before = calls_of(raw, "blmove")

        nothing = intake.take(1.0)
        asked = calls_of(raw, "blmove") - before
        broker.administering.unpause_queue("default")
        taken = intake.take(5)
        intake.close()

    assert nothing == ()
    assert 1 <= asked <= 9, f"8, 16, ... 512 ms apart make 8 in a second, got {asked}"
    assert [lease.task_id for lease in taken] == ["waits"]


def test_the_peek_leaves_the_list_as_it_is(redis_url: str) -> None:
    with broker_at(settings_of(redis_url)) as broker, redis.Redis.from_url(redis_url) as raw:
        ids = [f"{number}" for number in range(20)]
        broker.producing.enqueue([request(task_id) for task_id in ids])
        broker.administering.pause_queue("default")
        intake = broker.consuming.open_intake(QueueOrder(weights={"default": 1}), 1, "s")
        intake.take(0.1)
        intake.close()

        assert [task_id.decode() for task_id in raw.lrange("asynq:{default}:pending", 0, -1)] == ids[::-1]


@pytest.mark.parametrize(
    "arguments",
    [["--rename-command", "BLMOVE", ""], ["--user", "default", "on", "nopass", "~*", "&*", "+@all", "-blmove"]],
)
def test_a_redis_without_blmove_is_polled(arguments: list[str]) -> None:
    """It is too old, or its ACL does not allow it."""
    server = RedisServer(*arguments)
    try:
        with broker_at(RedisSettings(addr=server.addr)) as broker, ThreadPoolExecutor(1) as pool:
            intake = broker.consuming.open_intake(QueueOrder(weights={"default": 1}), 1, "s")
            assert isinstance(intake, RedisIntake)
            bell = intake._bell
            taking = pool.submit(intake.take, 120)
            wait_until(lambda: bell._peeks[0].arm_at > 0, "Redis refuses to tell of the next task")
            broker.producing.enqueue([request("polled")])
            taken = taking.result(60)
            intake.close()

        assert [lease.task_id for lease in taken] == ["polled"]
    finally:
        server.stop()


@pytest.mark.parametrize(("check_interval_s", "asked_min"), [(0.02, 10), (60.0, 1)])
def test_a_redis_without_blmove_is_asked_as_often_as_configured(check_interval_s: float, asked_min: int) -> None:
    """0.5 to 1.5 times the interval apart; and when a call begins and ends."""
    server = RedisServer("--rename-command", "BLMOVE", "")
    try:
        with broker_at(RedisSettings(addr=server.addr)) as broker, redis.Redis(port=server.port) as raw:
            order = QueueOrder(weights={"default": 1}, check_interval_s=check_interval_s)
            intake = broker.consuming.open_intake(order, 1, "s")
            broker.producing.enqueue([request("loads the script")])
            assert intake.take(10)
            intake.settle([], 1)
            before, began_at, calls, asked = calls_of(raw, "evalsha"), time.monotonic(), 0, 0

            while asked < asked_min and calls < 60:  # A machine that is busy with something else asks less often.
                assert list(intake.take(1.0)) == []
                calls, asked = calls + 1, calls_of(raw, "evalsha") - before
            took_s = time.monotonic() - began_at
            intake.close()

        assert asked_min <= asked <= 2 * calls + took_s / (0.5 * check_interval_s)
    finally:
        server.stop()


def test_a_server_passes_its_check_interval_on(redis_url: str) -> None:
    with broker_at(settings_of(redis_url)) as broker:
        server = Server(broker, Config(concurrency=1, task_check_interval=0.25))
        server.start(lambda ctx, task: None)
        try:
            assert server._engine is not None
            intake = server._engine._intake
            assert isinstance(intake, RedisIntake)
            assert intake._bell._check_interval_s == 0.25
        finally:
            server.shutdown()


@pytest.mark.parametrize("end", ["stop", "close"])
def test_stop_and_close_end_a_wait_for_tasks_and_a_wait_for_slots(redis_url: str, end: str) -> None:
    with (
        broker_at(settings_of(redis_url)) as broker,
        redis.Redis.from_url(redis_url) as raw,
        ThreadPoolExecutor(2) as pool,
    ):
        idle = broker.consuming.open_intake(QueueOrder(weights={"idle": 1}), 1, "s")
        waiting_for_tasks = pool.submit(idle.take, 60)
        wait_until(lambda: blocked_clients(raw) >= 1, "the idle worker waits")
        broker.producing.enqueue([request()])
        full = broker.consuming.open_intake(QueueOrder(weights={"default": 1}), 1, "s")
        assert len(full.take(1)) == 1
        waiting_for_slots = pool.submit(full.take, 60)
        for intake in (idle, full):
            getattr(intake, end)()
            getattr(intake, end)()

        assert waiting_for_tasks.result(30) == ()
        assert waiting_for_slots.result(30) == ()
        assert full.take(1) == ()
        idle.close()
        full.close()


def test_a_take_that_waits_for_slots_is_served_by_the_next_settle(redis_url: str) -> None:
    with (
        broker_at(settings_of(redis_url)) as broker,
        redis.Redis.from_url(redis_url) as raw,
        ThreadPoolExecutor(1) as pool,
    ):
        broker.producing.enqueue([request(f"{number}") for number in range(6)])
        intake = broker.consuming.open_intake(QueueOrder(weights={"default": 1}), 2, "s")
        first = intake.take(1)
        waiting = pool.submit(intake.take, 60)
        outcomes = intake.settle([Settlement(lease, SettleKind.DONE) for lease in first], 2)
        second = waiting.result(30)
        intake.close()

        assert [lease.task_id for lease in (*first, *second)] == ["0", "1", "2", "3"]
        assert outcomes == [SettleOutcome.SETTLED] * 2
        assert raw.llen("asynq:{default}:active") == 2


def test_what_was_taken_and_not_seen_goes_back_in_order(redis_url: str) -> None:
    """Stop comes while the leases that a settle brought still lie there."""
    with broker_at(settings_of(redis_url)) as broker, redis.Redis.from_url(redis_url) as raw:
        broker.producing.enqueue([request(f"{number}") for number in range(5)])
        intake = broker.consuming.open_intake(QueueOrder(weights={"default": 1}), 2, "s")
        first = intake.take(1)
        seen: list[Lease] = []
        taker = threading.Thread(target=lambda: seen.extend(intake.take(60)))
        taker.start()
        intake.settle([Settlement(lease, SettleKind.DONE) for lease in first], 2)
        intake.stop()
        taker.join(30)
        intake.settle([Settlement(lease, SettleKind.REQUEUE) for lease in reversed(seen)], len(seen))
        intake.close()

        assert [task_id.decode() for task_id in raw.lrange("asynq:{default}:pending", 0, -1)] == ["4", "3", "2"]
        assert raw.zcard("asynq:{default}:lease") == 0


def test_a_peek_that_hears_nothing_for_long_is_begun_anew(redis_url: str) -> None:
    """Redis answers after five seconds even when there is no task; who hears nothing for ten is connected to nobody."""
    link = ServerLink(settings_of(redis_url))
    peek = Peek(link, queue_keys("default"), 1.0)

    def source_at(now: float) -> socket.socket | None:
        peek.arm(now)
        return peek.source

    try:
        first, same, other = (source_at(now) for now in (0.0, 9.0, 10.1))
        assert first is not None
        assert same is first
        assert other not in {None, first}
    finally:
        peek.close()
        link.close()


def test_a_redis_that_is_away_is_tried_at_once_then_later_and_later() -> None:
    link = ServerLink(settings_of("redis://127.0.0.1:1"))
    peek = Peek(link, queue_keys("default"), 1.0)
    waits_s = []
    now = 100.0
    try:
        for _ in range(7):
            peek.arm(now)
            waits_s.append(peek.arm_at - now)
            now = peek.arm_at
    finally:
        peek.close()
        link.close()

    assert waits_s == [0.0, 0.125, 0.25, 0.5, 1.0, 1.0, 1.0]
