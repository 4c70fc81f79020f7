"""Does the journal in a Kafka topic keep the contract?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from asynq_compat.journals.journal import JournalStore
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import DRIVERS, KafkaSettings
from tests.services.kafka import KafkaCluster
from tests.unit.journals.contract import JournalContract


@pytest.fixture(params=DRIVERS)
def store(kafka_cluster: KafkaCluster, kafka_namespace: str, request: pytest.FixtureRequest) -> Iterator[JournalStore]:
    settings = KafkaSettings(bootstrap=(kafka_cluster.bootstrap,), namespace=kafka_namespace, driver=str(request.param))
    store = KafkaJournalStore(settings)
    yield store
    store.close()


class TestKafkaJournal(JournalContract):
    pass
