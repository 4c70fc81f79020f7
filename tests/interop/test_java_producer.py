"""Does Python run what a Java team writes that has nothing but docs/journal.md and proto/asynq.proto?"""

from __future__ import annotations

import subprocess
import threading
import time
import uuid
from collections.abc import Callable

from asynq_compat.config import Config
from asynq_compat.context import Context
from asynq_compat.inspector import Inspector
from asynq_compat.journals.journal import queue_journal_name
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.server import Server
from asynq_compat.task import Task
from tests.services.kafka import KafkaCluster
from tests.services.waiting import wait_until

QUEUE = "größe: java"
PLAIN = 20
BY_NAME = {*(f"plain-{i}" for i in range(PLAIN)), "later", "once-1", "framed", "nested", "large"}
TYPES = {"plain", "later", "once", "framed", "no id", "one of group g", "large"}
UNREADABLE = 21
DELAY_S = 2
LARGE_BYTES = 5 * 1024 * 1024


class Seen:
    """What ran, by task id."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.times_s: dict[str, float] = {}
        self._lock = threading.Lock()

    def handle(self, ctx: Context, task: Task) -> None:
        """Note the task."""
        assert ctx.task_id is not None
        with self._lock:
            assert ctx.task_id not in self.tasks, f"{ctx.task_id} ran twice"
            self.times_s[ctx.task_id] = time.time()
            self.tasks[ctx.task_id] = task


def one_of_a_group(group: str, tasks: list[Task]) -> Task:
    """Make one task that says which there were."""
    (task,) = tasks
    payload = task.type.encode() + b": " + (task.payload or b"")
    return Task(f"one of group {group}", payload, headers=task.headers)


def test_python_runs_what_java_writes_and_skips_the_rest(
    java_program: Callable[[str], list[str]], kafka_cluster: KafkaCluster, kafka_namespace: str
) -> None:
    """The topic is there; the server comes when all is written, so that what is taken stays taken until then."""
    url = f"redpanda://{kafka_cluster.bootstrap}/{kafka_namespace}"
    store = KafkaJournalStore(KafkaSettings(bootstrap=(kafka_cluster.bootstrap,), namespace=kafka_namespace))
    store.open(queue_journal_name(QUEUE))
    store.close()
    command = [*java_program("java"), kafka_cluster.bootstrap, kafka_namespace, QUEUE, str(PLAIN), str(DELAY_S)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(BY_NAME) + 2} tasks, 2 refused, {UNREADABLE} unreadable\n"

    seen = Seen()
    server = Server(
        url, Config(concurrency=4, queues={QUEUE: 1}, group_aggregator=one_of_a_group, group_grace_period=1)
    )
    server.start(seen.handle)
    try:
        wait_until(lambda: len(seen.tasks) > len(BY_NAME) + 1, "the last of Java's tasks", 60)
    finally:
        server.shutdown()
    with Inspector(url) as inspector:
        info = inspector.get_queue_info(QUEUE)

    derived = seen.tasks.keys() - BY_NAME
    assert {uuid.UUID(one).version for one in derived} == {4}
    assert sorted((seen.tasks[one].type, seen.tasks[one].payload) for one in derived) == [
        ("no id", b"the queue gives one"),
        ("one of group g", b"group: alone"),
    ]
    assert [seen.tasks[f"plain-{i}"].payload for i in range(PLAIN)] == [b"%d" % i for i in range(PLAIN)]
    assert {task.type for task in seen.tasks.values()} == TYPES
    assert seen.tasks["large"].payload == b"x" * LARGE_BYTES
    assert seen.times_s["later"] >= int(seen.tasks["later"].payload or b"")
    assert all(task.headers == {"from": "java"} for task in seen.tasks.values())
    assert (info.unreadable, info.size, info.processed) == (UNREADABLE, 0, len(BY_NAME) + 2)
