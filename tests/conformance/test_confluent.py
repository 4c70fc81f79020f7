"""Does it do so with confluent-kafka as the client library, too?

Not obvious: all tests share a namespace, so that its control topic is made once; each has a queue, and so a topic, of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import Scenario
from tests.conformance.binding import journal_harness, noon_clock, scenarios
from tests.conformance.virtual_time import StoredTimes, VirtualTimeStore
from tests.services.kafka import KafkaCluster

_CLOCK = noon_clock()
_TIMES = StoredTimes()
_NAMESPACE = f"confluent-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def queue(kafka_cluster: KafkaCluster) -> Iterator[QueueHarness]:
    settings = KafkaSettings(bootstrap=(kafka_cluster.bootstrap,), namespace=_NAMESPACE, driver="confluent")
    with journal_harness(VirtualTimeStore(KafkaJournalStore(settings), _CLOCK.now_ms, _TIMES), _CLOCK) as queue:
        yield queue


@pytest.mark.parametrize("scenario", scenarios("confluent"), ids=lambda scenario: scenario.name)
def test_confluent(queue: QueueHarness, scenario: Scenario) -> None:
    scenario.run(queue)
