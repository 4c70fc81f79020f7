"""Are the oddities of Go's inspector ours on Redis, where another process can see them?

Contract: each test bears the trap's number. Where Go's inspector answers, it is asked beside ours, over the same database.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis

import asynq_compat as asynq
from asynq_compat import errors
from asynq_compat.brokers.redis.open import open_redis
from tests.interop import inspector_told as told
from tests.interop.go_oracle import Oracle, OracleError
from tests.interop.redis_tools import settings_of
from tests.services.waiting import wait_until

pytestmark = pytest.mark.redis

QUEUE = "default"
PREFIX = "asynq:{default}:"
DAY_S = 86_400


@pytest.fixture
def raw(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as connection:
        yield connection


@pytest.fixture
def client(redis_url: str) -> Iterator[asynq.Client]:
    with asynq.Client(redis_url) as client:
        yield client


@pytest.fixture
def inspector(redis_url: str) -> Iterator[asynq.Inspector]:
    with asynq.Inspector(redis_url) as inspector:
        yield inspector


def archive_by_hand(raw: redis.Redis, ids: list[str], at_s: float) -> None:
    with raw.pipeline(transaction=False) as batch:
        for task_id in ids:
            batch.zadd(f"{PREFIX}archived", {task_id: at_s})
            batch.hset(f"{PREFIX}t:{task_id}", mapping={"msg": b"", "state": "archived"})
        batch.execute()


def test_g2_what_the_archive_has_no_room_for_keeps_its_hash_and_its_id(
    client: asynq.Client, inspector: asynq.Inspector, raw: redis.Redis
) -> None:
    archive_by_hand(raw, [f"old-{number:05}" for number in range(9_999)], time.time() - 60)
    task = client.enqueue(asynq.Task("email"))

    inspector.archive_task(QUEUE, task.id)

    assert inspector.get_queue_info(QUEUE).archived == 9_999
    assert raw.hget(f"{PREFIX}t:old-00000", "state") == b"archived"
    assert raw.zscore(f"{PREFIX}archived", "old-00000") is None
    with pytest.raises(errors.TaskIDConflictError):
        client.enqueue(asynq.Task("email"), task_id="old-00000")


def test_g40_what_was_archived_long_ago_stays_until_something_else_is_archived(
    client: asynq.Client, inspector: asynq.Inspector, raw: redis.Redis
) -> None:
    task = client.enqueue(asynq.Task("email"))
    archive_by_hand(raw, ["ancient"], time.time() - 91 * DAY_S)
    assert inspector.get_queue_info(QUEUE).archived == 1

    inspector.archive_task(QUEUE, task.id)

    assert [info.id for info in inspector.list_archived_tasks(QUEUE)] == [task.id]
    assert raw.exists(f"{PREFIX}t:ancient") == 1


def test_g39_a_completed_task_past_its_time_is_listed_and_blocks_its_id_until_somebody_cleans_up(
    client: asynq.Client, inspector: asynq.Inspector, raw: redis.Redis
) -> None:
    client.enqueue(asynq.Task("email"), task_id="kept")
    message = raw.hget(f"{PREFIX}t:kept", "msg")
    raw.delete(f"{PREFIX}pending")
    raw.hset(f"{PREFIX}t:kept", mapping={"msg": message or b"", "state": "completed"})
    raw.zadd(f"{PREFIX}completed", {"kept": time.time() - 60})

    assert [info.id for info in inspector.list_completed_tasks(QUEUE)] == ["kept"]
    with pytest.raises(errors.TaskIDConflictError):
        client.enqueue(asynq.Task("email"), task_id="kept")


def test_g5_deleting_a_task_that_was_added_to_a_group_frees_no_lock(
    redis_url: str, client: asynq.Client, inspector: asynq.Inspector, oracle: Oracle
) -> None:
    ours = client.enqueue(asynq.Task("pay", b"ours"), group="g", unique=600)
    gos = client.enqueue(asynq.Task("pay", b"Go's"), group="g", unique=600)

    inspector.delete_task(QUEUE, ours.id)
    oracle.call("inspector.delete_task", redis=redis_url, queue=QUEUE, task_id=gos.id)

    for payload in (b"ours", b"Go's"):
        with pytest.raises(errors.DuplicateTaskError):
            client.enqueue(asynq.Task("pay", payload), group="g", unique=600)


def test_g9_a_client_that_has_announced_its_queue_does_not_announce_it_again_when_it_was_removed(
    redis_url: str, client: asynq.Client, inspector: asynq.Inspector, oracle: Oracle
) -> None:
    client.enqueue(asynq.Task("email"))
    oracle.call("client.enqueue", redis=redis_url, type="email")
    inspector.delete_queue(QUEUE, force=True)

    client.enqueue(asynq.Task("email"))
    oracle.call("client.enqueue", redis=redis_url, type="email")

    assert inspector.queues() == []
    with pytest.raises(errors.QueueNotFoundError):
        inspector.list_pending_tasks(QUEUE)
    with asynq.Client(redis_url) as other:
        other.enqueue(asynq.Task("email"))
    assert inspector.get_queue_info(QUEUE).pending == 3
    oracle.call("client.close", redis=redis_url)


def test_g14_an_id_without_a_task_is_listed_as_a_task_without_id_and_type(
    redis_url: str, client: asynq.Client, inspector: asynq.Inspector, raw: redis.Redis, oracle: Oracle
) -> None:
    client.enqueue(asynq.Task("email"))
    raw.lpush(f"{PREFIX}pending", "ghost")
    raw.zadd(f"{PREFIX}retry", {"ghost": time.time() + 60})

    for state in ("pending", "retry"):
        ours = getattr(inspector, f"list_{state}_tasks")(QUEUE)
        gos = oracle.call("inspector.list", redis=redis_url, queue=QUEUE, state=state)
        assert (ours[-1].id, ours[-1].type) == ("", "")
        assert [told.task(one)["id"] for one in ours] == [one["id"] for one in gos]


def test_g17_an_id_without_a_task_does_not_keep_us_from_counting(
    redis_url: str, client: asynq.Client, inspector: asynq.Inspector, raw: redis.Redis, oracle: Oracle
) -> None:
    """Go's inspector fails; it was mended there later."""
    client.enqueue(asynq.Task("email"))
    raw.lpush(f"{PREFIX}pending", "ghost")

    with pytest.raises(OracleError):
        oracle.call("inspector.get_queue_info", redis=redis_url, queue=QUEUE)

    info = inspector.get_queue_info(QUEUE)
    assert info.pending == 2
    assert info.memory_usage > 0


def test_g18_what_is_run_by_hand_waits_since_it_was_enqueued_or_since_nobody_knows_when(
    redis_url: str, client: asynq.Client, inspector: asynq.Inspector, raw: redis.Redis, oracle: Oracle
) -> None:
    task = client.enqueue(asynq.Task("email"))
    raw.hset(f"{PREFIX}t:{task.id}", "pending_since", str(time.time_ns() - 3600 * 10**9))
    inspector.archive_task(QUEUE, task.id)
    inspector.run_task(QUEUE, task.id)

    gos = timedelta(
        microseconds=oracle.call("inspector.get_queue_info", redis=redis_url, queue=QUEUE)["latency_ns"] // 1_000
    )
    assert inspector.get_queue_info(QUEUE).latency >= timedelta(hours=1)
    assert gos >= timedelta(hours=1)
    inspector.delete_task(QUEUE, task.id)
    later = client.enqueue(asynq.Task("email"), process_in=3600)
    inspector.run_task(QUEUE, later.id)
    assert inspector.get_queue_info(QUEUE).latency == timedelta(0)
    assert oracle.call("inspector.get_queue_info", redis=redis_url, queue=QUEUE)["latency_ns"] == 0


def test_g19_and_g20_what_is_run_again_is_unchanged_and_a_completed_task_may_be_too(
    redis_url: str, raw: redis.Redis, inspector: asynq.Inspector
) -> None:
    with asynq.Client(redis_url) as client:
        exhausted = client.enqueue(asynq.Task("fails"), max_retry=0)
        kept = client.enqueue(asynq.Task("works"), retention=3600)
    server = asynq.Server(redis_url, asynq.Config(concurrency=1, log_level="fatal"))

    def handle(_: asynq.Context, task: asynq.Task) -> None:
        if task.type == "fails":
            raise ValueError("no")

    server.start(handle)
    _wait_for(inspector, archived=1, completed=1)
    inspector.run_task(QUEUE, exhausted.id)
    _wait_for(inspector, archived=1, processed=3)
    server.shutdown()

    info = inspector.get_task_info(QUEUE, exhausted.id)
    assert (info.retried, info.max_retry, info.state) == (0, 0, asynq.TaskStateArchived)
    inspector.archive_task(QUEUE, kept.id)
    assert inspector.get_task_info(QUEUE, kept.id).completed_at is not None
    assert raw.zcard(f"{PREFIX}completed") == 0


def _wait_for(inspector: asynq.Inspector, **counts: int) -> None:
    def have_come() -> bool:
        info = inspector.get_queue_info(QUEUE)
        return all(getattr(info, name) == count for name, count in counts.items())

    wait_until(have_come, f"{counts}", 60)


def test_g23_a_late_result_makes_a_task_that_nobody_can_do_anything_with(
    redis_url: str, client: asynq.Client, inspector: asynq.Inspector, raw: redis.Redis, oracle: Oracle
) -> None:
    client.enqueue(asynq.Task("email"))
    raw.hset(f"{PREFIX}t:ghost", "result", b"late")

    with pytest.raises(errors.TaskIDConflictError):
        client.enqueue(asynq.Task("email"), task_id="ghost")
    for operation in ("get_task_info", "run_task", "archive_task", "delete_task"):
        with pytest.raises(errors.CorruptDataError):
            getattr(inspector, operation)(QUEUE, "ghost")
        with pytest.raises(OracleError):
            oracle.call(f"inspector.{operation}", redis=redis_url, queue=QUEUE, task_id="ghost")
    assert raw.hgetall(f"{PREFIX}t:ghost") == {b"result": b"late"}


def test_g29_page_0_is_the_last_and_page_size_0_is_everything(
    redis_url: str, client: asynq.Client, inspector: asynq.Inspector, oracle: Oracle
) -> None:
    ids = [client.enqueue(asynq.Task("email"), task_id=f"t{number}").id for number in range(7)]

    def gos(**options: int) -> list[str]:
        found = oracle.call("inspector.list", redis=redis_url, queue=QUEUE, state="pending", **options)
        return [one["id"] for one in found]

    for page, size, expected in ((0, 3, ids[4:]), (1, 0, ids), (-1, 3, ids[:3]), (1, -1, ids), (9, 3, [])):
        assert [info.id for info in inspector.list_pending_tasks(QUEUE, page=page, page_size=size)] == expected
        assert gos(page=page, size=size) == expected


def test_g30_archiving_in_a_blank_queue_is_refused_with_no_reason(
    redis_url: str, inspector: asynq.Inspector, oracle: Oracle
) -> None:
    with pytest.raises(errors.InvalidArgumentError) as ours:
        inspector.archive_task(" ", "task")
    with pytest.raises(OracleError) as gos:
        oracle.call("inspector.archive_task", redis=redis_url, queue=" ", task_id="task")

    assert str(ours.value) == gos.value.text == "asynq: err"


def test_a_redis_that_is_no_cluster_says_so_in_its_own_words(
    redis_url: str, client: asynq.Client, inspector: asynq.Inspector, oracle: Oracle
) -> None:
    client.enqueue(asynq.Task("email"))

    for operation in ("cluster_key_slot", "cluster_nodes"):
        with pytest.raises(errors.UnsupportedByBroker) as ours:
            getattr(inspector, operation)(QUEUE)
        with pytest.raises(OracleError) as gos:
            oracle.call(f"inspector.{operation}", redis=redis_url, queue=QUEUE)
        assert str(ours.value) == gos.value.text


def test_a_server_that_nobody_can_read_is_left_out(redis_url: str, raw: redis.Redis, oracle: Oracle) -> None:
    key = "asynq:servers:{host:1:x}"
    raw.zadd("asynq:servers", {key: time.time() + 60, "asynq:servers:{gone:1:y}": time.time() + 60})
    raw.zadd("asynq:servers", {"asynq:servers:{stale:1:z}": time.time() - 60})
    raw.set(key, b"\xff\xff")
    broker = open_redis(settings_of(redis_url))

    assert list(broker.inspecting.servers()) == []
    assert oracle.call("inspector.servers", redis=redis_url) == []

    broker.close()
    assert raw.zcard("asynq:servers") == 2, "what has run out is forgotten, as by Go"


def test_what_concerns_many_tasks_goes_on_in_slices_of_a_thousand(
    client: asynq.Client, inspector: asynq.Inspector, raw: redis.Redis
) -> None:
    client.enqueue_many([asynq.Task("email")] * 2_500, process_in=600)
    told: list[list[int]] = [[] for _ in range(4)]

    inspector.run_all_scheduled_tasks(QUEUE, progress=told[0].append)
    inspector.archive_all_pending_tasks(QUEUE, progress=told[1].append)
    inspector.delete_all_archived_tasks(QUEUE, progress=told[2].append)
    client.enqueue_many([asynq.Task("email")] * 2_000)
    inspector.delete_queue(QUEUE, force=True, progress=told[3].append)

    assert told == [[1_000, 2_000, 2_500]] * 3 + [[1_000, 2_000, 2_000]]
    assert raw.keys("asynq:*") == []


def test_a_queue_that_is_worked_on_while_it_is_emptied_is_refused_half_way(
    client: asynq.Client, inspector: asynq.Inspector, raw: redis.Redis
) -> None:
    """Go's single step is refused as a whole, or not at all."""
    ids = [info.id for info in client.enqueue_many([asynq.Task("email")] * 1_500) if isinstance(info, asynq.TaskInfo)]

    def take_one(_: int) -> None:
        raw.lmove(f"{PREFIX}pending", f"{PREFIX}active", "RIGHT", "LEFT")

    with pytest.raises(errors.QueueStateError, match="cannot remove queue with active tasks"):
        inspector.delete_queue(QUEUE, force=True, progress=take_one)

    info = inspector.get_queue_info(QUEUE)
    assert (info.pending, info.active) == (499, 1)
    assert raw.exists(*(f"{PREFIX}t:{task_id}" for task_id in ids)) == 500


def test_a_scheduled_task_without_a_message_is_named_when_its_payload_is_to_change(
    client: asynq.Client, raw: redis.Redis, redis_url: str
) -> None:
    task_id = client.enqueue(asynq.Task("t"), process_in=60).id
    raw.hdel(f"{PREFIX}t:{task_id}", "msg")

    with asynq.Inspector(redis_url) as inspector, pytest.raises(errors.CorruptDataError, match=f"{task_id} has no mes"):
        inspector.update_task_payload(QUEUE, task_id, b"new")
