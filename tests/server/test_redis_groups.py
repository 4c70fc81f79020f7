"""What becomes of groups on Redis where an answer is lost, a name is no text, a task cannot be read, a function takes too long?"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

import pytest
import redis

from asynq_compat.brokers.redis.maintaining import RedisMaintaining
from asynq_compat.config import Config
from asynq_compat.connect import open_broker
from asynq_compat.engine.duties.aggregator import ROUND_COUNT_MAX, Aggregator
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.producing import EnqueueRequest
from asynq_compat.rules.patience import Patience
from asynq_compat.rules.task_state import TaskState
from asynq_compat.task import Task
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.wire.message import TaskMessage, decode_message, encode_message

LOG = logging.getLogger("test.groups")
pytestmark = pytest.mark.redis
FULL = Patience(2, 0, 60)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def broker(redis_url: str, clock: VirtualClock) -> Iterator[Broker]:
    opened = open_broker(redis_url, clock=clock)
    yield opened
    opened.close()


def add(broker: Broker, *ids: str) -> None:
    for task_id in ids:
        message = encode_message(TaskMessage(type="t", id=task_id, queue="default", group_key="g", timeout=60))
        broker.producing.enqueue([EnqueueRequest("default", task_id, message, group="g")])


def ids_of(broker: Broker) -> list[list[str]]:
    sets = broker.maintaining.aggregate("default", FULL)
    return [[decode_message(message).id for message in one.messages] for batch in sets for one in batch]


def test_a_set_whose_answer_was_lost_is_given_again_as_it_was_made(broker: Broker) -> None:
    """The link sends a script again when its answer was lost; what came meanwhile is no part of that set."""
    maintaining = broker.maintaining
    assert isinstance(maintaining, RedisMaintaining)
    maintaining.new_set_id = lambda group: "the-same"
    add(broker, "a", "b")
    assert ids_of(broker) == [["a", "b"]]
    add(broker, "c", "d")

    assert ids_of(broker) == [["a", "b"]]

    assert [size for _, size in broker.inspecting.groups("default")] == [2]


def test_a_thousand_groups_that_wait_are_looked_at_in_a_few_round_trips(broker: Broker, redis_url: str) -> None:
    """The script runs for the one that is due alone."""
    requests: list[EnqueueRequest] = []
    for group in [*map(str, range(1_000)), "500"]:
        message = encode_message(
            TaskMessage(type="t", id=f"{len(requests)}", queue="default", group_key=group, timeout=60)
        )
        requests.append(EnqueueRequest("default", f"{len(requests)}", message, group=group))
    broker.producing.enqueue(requests)
    with redis.Redis.from_url(redis_url) as raw:
        raw.config_resetstat()

        found = ids_of(broker)

        assert raw.info("commandstats")["cmdstat_evalsha"]["calls"] == 1
        assert raw.info("stats")["total_reads_processed"] < 100, "each round trip costs one, a large one some more"
    assert found == [["1000", "500"]]


def test_a_group_of_another_program_whose_name_is_no_text_is_aggregated_and_reclaimed(
    broker: Broker, clock: VirtualClock, redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as raw:
        message = encode_message(TaskMessage(type="t", id="a", queue="default", timeout=60))
        raw.hset("asynq:{default}:t:a", mapping={"msg": message, "state": "aggregating", "group": b"\xff"})
        raw.zadd(b"asynq:{default}:g:\xff", {"a": clock.now_s()})
        raw.sadd("asynq:{default}:groups", b"\xff")

        clock.advance_s(60)
        assert ids_of(broker) == [["a"]]
        assert not raw.exists(b"asynq:{default}:g:\xff")
        clock.advance_s(120)
        assert broker.maintaining.reclaim_sets(["default"]) == 1

        assert raw.zrange(b"asynq:{default}:g:\xff", 0, -1) == [b"a"]


def aggregating(broker: Broker, clock: VirtualClock, join: Callable[[str, list[Task]], Task]) -> Aggregator:
    """An aggregator that nobody has started."""
    return Aggregator(broker.maintaining, join, Config(group_max_size=2), clock, LOG)


def test_a_task_that_cannot_be_read_is_left_out_and_told(
    broker: Broker, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    add(broker, "a")
    broker.producing.enqueue([EnqueueRequest("default", "unreadable", b"\xff\xff", group="g")])

    aggregating(broker, clock, lambda group, tasks: Task(group, b"%d" % len(tasks))).aggregate()

    (only,) = broker.inspecting.list_tasks("default", TaskState.PENDING, start=0, count=None) or ()
    assert decode_message(only.message).payload == b"1"
    assert "cannot be read and is left out" in caplog.text


def test_a_function_that_takes_longer_than_its_set_lasts_enqueues_nothing(
    broker: Broker, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    def slow(group: str, tasks: list[Task]) -> Task:
        clock.advance_s(120)
        return Task(group, b"%d" % len(tasks))

    add(broker, "a", "b")
    aggregating(broker, clock, slow).aggregate()

    assert "context deadline exceeded" in caplog.text
    stats = broker.inspecting.queue_stats("default")
    assert stats is not None
    assert (stats.pending, stats.groups) == (0, 0)
    assert broker.maintaining.reclaim_sets(["default"]) == 1


def test_no_more_than_three_rounds_run_at_a_time(
    broker: Broker, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    entered, may_end = threading.Semaphore(0), threading.Event()

    def hanging(group: str, tasks: list[Task]) -> Task:
        entered.release()
        assert may_end.wait(60)
        return Task(group, b"%d" % len(tasks))

    aggregator = aggregating(broker, clock, hanging)
    for number in range(ROUND_COUNT_MAX):
        add(broker, f"a{number}", f"b{number}")
        aggregator.run_once()
        assert entered.acquire(timeout=60)
    assert "Skipping" not in caplog.text

    aggregator.run_once()
    assert "Max number of aggregation checks in flight. Skipping" in caplog.text

    may_end.set()
    aggregator.finish()
    stats = broker.inspecting.queue_stats("default")
    assert stats is not None
    assert stats.pending == ROUND_COUNT_MAX
