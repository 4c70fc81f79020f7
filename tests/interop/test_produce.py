"""Do records of a plain Go producer mean what they should?"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from asynq_compat.journals.journal import BEFORE_THE_FIRST, Journal, queue_journal_name
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.topics import topic_name
from asynq_compat.wire import TaskMessage
from asynq_compat.wire.bare import parse_bare
from tests.services.kafka import KafkaCluster


def _records(journal: Journal, count: int) -> list[bytes]:
    records: list[bytes] = []
    upto = BEFORE_THE_FIRST
    for _ in range(count + 10):
        batch = journal.read(upto, wait_s=1.0)
        records += [entry.data for entry in batch.entries]
        upto = batch.upto
        if len(records) >= count:
            break
    return records


def test_a_go_producer_s_records_are_tasks(
    go_program: Callable[[str], Path], kafka_cluster: KafkaCluster, kafka_namespace: str
) -> None:
    store = KafkaJournalStore(KafkaSettings(bootstrap=(kafka_cluster.bootstrap,), namespace=kafka_namespace))
    journal = store.open(queue_journal_name("default"))
    topic = topic_name(kafka_namespace, journal.name)
    produce = [str(go_program("produce")), "-brokers", kafka_cluster.bootstrap, "-topic", topic, "-type", "email"]

    told = subprocess.run(
        [*produce, "-n", "3", "-payload", "p{i}", "-id", "id-{i}"], check=True, capture_output=True
    ).stdout
    subprocess.run([*produce, "-schema-id", "7", "-blank-id", "-queue", "", "-timeout", "0", "-retry", "0"], check=True)
    parsed = [parse_bare(record) for record in _records(journal, 4)]
    store.close()

    assert told.startswith(b"3 tasks in ")
    assert [item if isinstance(item, str) else item.message for item in parsed] == [
        *(
            TaskMessage(type="email", payload=b"p%d" % i, id=f"id-{i}", queue="default", retry=25, timeout=1800)
            for i in range(3)
        ),
        TaskMessage(type="email"),
    ]
