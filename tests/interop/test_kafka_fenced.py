"""Is a broker that was away for a moment waited for, as in any other outage?

Who does not tell the controller in time that it lives is fenced: no broker of the cluster, until it does. A machine that has too much to do is
enough for that. Meanwhile its topics have no leader, and where it is the only one the cluster has no broker at all.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator

import pytest

from asynq_compat.journals.journal import CONTROL, queue_journal_name
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import DRIVERS, KafkaSettings
from tests.services.kafka import KafkaCluster

pytestmark = pytest.mark.own_broker

TIMES = 4
IS_HEARD_OF_WITHIN_S = 0.6


@pytest.fixture(scope="module")
def cluster(kafka_cluster: KafkaCluster) -> Iterator[KafkaCluster]:
    """A broker that is fenced soon; the session's one is asked for only to be skipped alike."""
    cluster = KafkaCluster({"broker.session.timeout.ms": str(int(IS_HEARD_OF_WITHIN_S * 1000))})
    yield cluster
    cluster.stop()


class Asker:
    """Asks again and again until told to stop; a thread of its own."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self._is_over = threading.Event()
        self.answers = 0
        self.errors: list[Exception] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_over.wait(0.005):
            try:
                self._ask()
            except Exception as error:  # noqa: BLE001 - whatever a caller would see
                self.errors.append(error)
            else:
                self.answers += 1

    def stop(self) -> None:
        """Ask no more."""
        self._is_over.set()
        self._thread.join(120)
        assert not self._thread.is_alive()


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_broker_that_is_fenced_for_a_moment_is_waited_for(
    cluster: KafkaCluster, kafka_namespace: str, driver: str
) -> None:
    settings = KafkaSettings(
        bootstrap=(cluster.bootstrap,), namespace=kafka_namespace, driver=driver, request_timeout_s=120
    )
    store = KafkaJournalStore(settings)
    journal = store.open(CONTROL)
    journal.append(b"before")
    numbers = itertools.count()

    def open_a_new_one() -> None:
        assert store.open(queue_journal_name(f"q{next(numbers)}")).end() == -1

    askers = [Asker(ask) for ask in (journal.end, lambda: journal.append(b"x"), store.names, open_a_new_one)]
    pause = threading.Event()
    for _ in range(TIMES):
        pause.wait(IS_HEARD_OF_WITHIN_S)
        cluster.pause()
        pause.wait(2 * IS_HEARD_OF_WITHIN_S)
        cluster.resume()
    pause.wait(IS_HEARD_OF_WITHIN_S)
    for asker in askers:
        asker.stop()

    assert [asker.errors for asker in askers] == [[]] * len(askers)
    assert min(asker.answers for asker in askers) > 0
    store.close()
