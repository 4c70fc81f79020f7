"""Is a client that folds nothing told the same as everybody else?

Contract: what belongs to enqueueing, once more, with a client beside a server that has no slot free: it takes no task, and replies.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.brokers.journal.producing import JournalProducing
from asynq_compat.journals.journal import JournalStore
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.sqlite import SqliteJournalStore
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.consuming import QueueOrder
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import Scenario
from tests.conformance.binding import LOOK_AGAIN_S, TRAITS, harness, noon_clock, scenarios
from tests.conformance.virtual_time import StoredTimes, VirtualTimeStore
from tests.services.kafka import KafkaCluster

# This one enqueues to queues that nobody serves.
ALONE = "a_queue_may_have_any_name"
SCENARIOS = [
    one for one in scenarios("sqlite") if one.transition in {"enqueue", "enqueue_unique"} and one.sentence != ALONE
]
# So long that no reply of a living server is given up on a busy machine.
PATIENT_S = 60.0
_CLOCK = noon_clock()
_TIMES = StoredTimes()
_NAMESPACE = f"replies-{uuid.uuid4().hex[:8]}"


@contextmanager
def beside_a_busy_server(
    of_server: JournalStore, of_client: JournalStore, clock: VirtualClock
) -> Iterator[QueueHarness]:
    server = open_journal(of_server, clock=clock, idle_s=LOOK_AGAIN_S)
    client = open_journal(of_client, clock=clock, idle_s=LOOK_AGAIN_S, reply_s=PATIENT_S)
    with harness(replace(server, producing=client.producing), clock, TRAITS["sqlite"]) as queue:
        keep_busy(server, queue)
        yield queue
    assert isinstance(client.producing, JournalProducing)
    assert not client.producing._partitions.queue(queue.queue).partitions[0].has_replica
    client.close()
    server.close()


def keep_busy(server: Broker, queue: QueueHarness) -> None:
    """Serve the queue with one slot, which a task of another queue has."""
    other = f"{queue.queue}-other"
    server.producing.enqueue([queue.request(queue=other)])
    order = QueueOrder(weights={queue.queue: 1, other: 1})
    intake = server.consuming.open_intake(order, 1, "busy")
    deadline = time.monotonic() + PATIENT_S
    while not (leases := intake.take(0.1)):
        assert time.monotonic() < deadline, "the server got nothing to do"
    leases[0].has_started = True


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_replies_on_sqlite(tmp_path: Path, scenario: Scenario) -> None:
    clock, path = noon_clock(), str(tmp_path / "queue.db")
    of_server, of_client = (SqliteJournalStore(path, now_ms=clock.now_ms) for _ in range(2))
    with beside_a_busy_server(of_server, of_client, clock) as queue:
        scenario.run(queue)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_replies_on_kafka(kafka_cluster: KafkaCluster, scenario: Scenario) -> None:
    settings = KafkaSettings(bootstrap=(kafka_cluster.bootstrap,), namespace=_NAMESPACE)
    of_server, of_client = (VirtualTimeStore(KafkaJournalStore(settings), _CLOCK.now_ms, _TIMES) for _ in range(2))
    with beside_a_busy_server(of_server, of_client, _CLOCK) as queue:
        scenario.run(queue)
