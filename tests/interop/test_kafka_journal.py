"""Does the journal in a Kafka topic keep the contract?"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from asynq_compat.journals.journal import JournalStore
from tests.services.kafka import KafkaCluster
from tests.unit.journals.contract import JournalContract


@pytest.fixture
def store(kafka_cluster: KafkaCluster, open_store: Callable[[str], JournalStore]) -> JournalStore:
    return open_store(kafka_cluster.bootstrap)


class TestKafkaJournal(JournalContract):
    pass
