"""What do transactions of foreign producers do to a journal, which has none of its own?"""

from __future__ import annotations

import time
from collections.abc import Iterator

import kafka
import pytest

from asynq_compat.journals.journal import BEFORE_THE_FIRST, CONTROL
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import DRIVERS, KafkaSettings
from tests.services.kafka import KafkaCluster
from tests.services.waiting import wait_until
from tests.unit.journals.contract import LONG_S, data_of, read_all

PATIENCE_S = 60.0


@pytest.fixture(params=DRIVERS)
def store(
    kafka_cluster: KafkaCluster, kafka_namespace: str, request: pytest.FixtureRequest
) -> Iterator[KafkaJournalStore]:
    store = KafkaJournalStore(
        KafkaSettings(bootstrap=(kafka_cluster.bootstrap,), namespace=kafka_namespace, driver=str(request.param))
    )
    yield store
    store.close()


def begin(bootstrap: str, namespace: str) -> kafka.KafkaProducer:
    """Return a producer with a record in a transaction that has begun."""
    producer = kafka.KafkaProducer(bootstrap_servers=[bootstrap], transactional_id=namespace)
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(f"{namespace}.control", value=b"x").get(PATIENCE_S)
    return producer


def test_a_reader_passes_the_marks_that_transactions_leave(
    store: KafkaJournalStore, kafka_cluster: KafkaCluster, kafka_namespace: str
) -> None:
    """They take offsets but are no entries: who waits for the end must get there all the same."""
    journal = store.open(CONTROL)
    producer = begin(kafka_cluster.bootstrap, kafka_namespace)
    producer.commit_transaction()
    producer.close()
    wait_until(lambda: journal.end() == 1, "the mark, which is written behind the answer to the commit", PATIENCE_S)

    seen: list[bytes] = []
    upto = BEFORE_THE_FIRST
    deadline = time.monotonic() + LONG_S
    while upto < journal.end() and time.monotonic() < deadline:
        batch = journal.read(upto, wait_s=1)
        seen += data_of(batch.entries)
        upto = batch.upto

    assert seen == [b"x"]
    assert (upto, journal.end()) == (1, 1)


def test_a_transaction_that_is_not_over_hides_nothing(
    store: KafkaJournalStore, kafka_cluster: KafkaCluster, kafka_namespace: str
) -> None:
    """Who reads on to the end would miss what others were told is stored, as long as a foreign producer hangs."""
    journal = store.open(CONTROL)
    producer = begin(kafka_cluster.bootstrap, kafka_namespace)

    position = journal.append(b"ours")

    assert (position, journal.end()) == (1, 1)
    assert data_of(read_all(journal, 2)) == [b"x", b"ours"]
    producer.abort_transaction()
    producer.close()
