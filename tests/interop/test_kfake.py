"""Does a journal stand on another implementation of the Kafka API, too, and what is different there?

kfake keeps producers' timestamps although its topics say LogAppendTime: queues work, their clock stands still, and that is told. All else that
is asked of a journal, and of a broker over it, holds.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator

import pytest

import asynq_compat as asynq
from asynq_compat.connect import open_broker
from asynq_compat.journals.journal import Journal, JournalStore
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.testing.conformance.scenario import Scenario
from tests.conformance.binding import journal_harness, noon_clock, scenarios
from tests.conformance.virtual_time import StoredTimes, VirtualTimeStore
from tests.services.installing import ServiceMissingError
from tests.services.kfake import KfakeCluster
from tests.unit.journals.contract import LONG_S, JournalContract, read_all

pytestmark = pytest.mark.go

_CLOCK = noon_clock()
_TIMES = StoredTimes()
_NAMESPACE = f"conformance-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def kfake() -> Iterator[KfakeCluster]:
    try:
        cluster = KfakeCluster()
    except ServiceMissingError as missing:
        pytest.skip(str(missing))
    yield cluster
    cluster.stop()


@pytest.fixture
def store(kfake: KfakeCluster, open_store: Callable[[str], JournalStore]) -> JournalStore:
    return open_store(kfake.bootstrap)


class TestKfakeJournal(JournalContract):
    def test_entries_carry_the_time_of_the_log(self, journal: Journal) -> None:
        """They do not, and say so."""
        journal.append(b"now")

        (entry,) = read_all(journal, 1)

        assert not entry.is_log_time


# One scenario a transition: each takes most of a second, and all hold.
ONE_A_TRANSITION = {one.name.partition(".")[0]: one for one in reversed(scenarios("confluent"))}.values()


@pytest.mark.parametrize("scenario", ONE_A_TRANSITION, ids=lambda scenario: scenario.name)
def test_kfake(kfake: KfakeCluster, scenario: Scenario) -> None:
    settings = KafkaSettings(bootstrap=(kfake.bootstrap,), namespace=_NAMESPACE, driver="confluent")
    with journal_harness(VirtualTimeStore(KafkaJournalStore(settings), _CLOCK.now_ms, _TIMES), _CLOCK) as queue:
        scenario.run(queue)


def test_a_queue_whose_clock_stands_still_works_and_says_so(
    kfake: KfakeCluster, kafka_namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"kafka://{kfake.bootstrap}/{kafka_namespace}"
    done = threading.Event()
    server = asynq.Server(url)

    with caplog.at_level(logging.WARNING, logger="asynq_compat"):
        server.start(lambda ctx, task: done.set())
        with asynq.Client(url) as client:
            client.enqueue(asynq.Task("ok"))
        assert done.wait(LONG_S)
        server.shutdown()

    broker = open_broker(url, environment={})
    assert broker.history is not None
    verification = broker.history.verify("default", None, lambda done, total: None)
    broker.close()
    assert "was not given by the log: time stands still" in caplog.text
    assert any("time stands still" in problem for problem in verification.problems)
