"""What does a server with many queues on Kafka cost: does it start, work and end like one with few?"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import asynq_compat as asynq
from asynq_compat.journals.kafka.driver import At
from asynq_compat.journals.kafka.journal import open_driver
from asynq_compat.journals.kafka.settings import DRIVERS, KafkaSettings
from tests.services.kafka import KafkaCluster
from tests.services.waiting import wait_until, wait_until_none

# What a server has whatever the number of its queues; docs/operations.md says how many.
_THREADS_MAX = 20
_LONG_S = 120.0


def names_of_threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(("queue_count", "partition_count"), [(30, 1), (3, 16)])
def test_each_journal_costs_a_server_one_thread(
    kafka_cluster: KafkaCluster, kafka_namespace: str, driver: str, queue_count: int, partition_count: int
) -> None:
    url = f"kafka://{kafka_cluster.bootstrap}/{kafka_namespace}?driver={driver}&partitions={partition_count}"
    queues = {f"q{number}": 1 for number in range(queue_count)}
    before = set(threading.enumerate())
    handled: list[str] = []
    mux = asynq.ServeMux()

    @mux.on("")
    async def handle(ctx: asynq.Context, task: asynq.Task) -> None:
        handled.append(task.type)

    server = asynq.Server(url, asynq.Config(concurrency=10, queues=queues))
    server.start(mux)
    with asynq.Client(url) as client:
        for queue in queues:
            client.enqueue_many([asynq.Task(queue) for _ in range(4)], queue=queue)
    wait_until(lambda: len(handled) == 4 * queue_count, "all tasks to be handled", _LONG_S)

    followed = queue_count * partition_count
    own = len([thread for thread in threading.enumerate() if thread not in before])
    assert own > followed, "each journal has a thread that follows it"
    wait_until(
        lambda: len([one for one in threading.enumerate() if one not in before]) <= followed + _THREADS_MAX,
        f"the threads that have nothing to do to end: {names_of_threads()}",
        _LONG_S,
    )
    assert sorted(set(handled)) == sorted(queues)
    server.shutdown()
    wait_until_none(lambda: set(threading.enumerate()) - before, "all threads to have ended", _LONG_S)


@pytest.mark.parametrize("library", DRIVERS)
def test_many_who_ask_where_topics_end_that_the_driver_has_not_seen_are_all_told(
    kafka_cluster: KafkaCluster, kafka_namespace: str, library: str
) -> None:
    """Beside a topic that it knows kafka-python drops those that it does not know yet."""
    ats = [At(f"{kafka_namespace}.many.{number}", 0) for number in range(10)]
    driver = open_driver(KafkaSettings(bootstrap=(kafka_cluster.bootstrap,), driver=library))
    driver.ensure_topics({at.topic: 1 for at in ats})
    driver.append(ats[3], b"frame")
    assert driver.end(ats[0]) == -1

    with ThreadPoolExecutor(len(ats)) as pool:
        ends = list(pool.map(driver.end, ats))

    assert ends == [0 if at == ats[3] else -1 for at in ats]
    driver.close()
