"""What is a user told when a topic was deleted, or no broker is there, below programs that run?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from kafka.admin import KafkaAdminClient

from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.journal import CONTROL
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import DRIVERS, KafkaSettings
from tests.interop.test_kafka_driver import appends, opened
from tests.services.kafka import KafkaCluster
from tests.services.waiting import wait_until


@pytest.fixture(params=DRIVERS)
def settings(request: pytest.FixtureRequest, kafka_cluster: KafkaCluster, kafka_namespace: str) -> KafkaSettings:
    """Of a patient user: a request timeout of an hour, more than either library takes for all of its own."""
    return KafkaSettings(
        bootstrap=(kafka_cluster.bootstrap,),
        namespace=kafka_namespace,
        driver=str(request.param),
        request_timeout_s=3600,
        connect_timeout_s=10,
    )


@pytest.fixture
def store(settings: KafkaSettings) -> Iterator[KafkaJournalStore]:
    store = KafkaJournalStore(settings)
    yield store
    store.close()


def is_answered(ask: Callable[[], object], errors: list[str]) -> bool:
    """Ask once; what is said instead of an answer is the last of the errors."""
    try:
        ask()
    except BrokerUnavailableError as error:
        errors.append(str(error))
        return False
    return True


def delete_topic(settings: KafkaSettings, topic: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=list(settings.bootstrap))
    admin.delete_topics([topic])
    admin.close()


def test_a_topic_that_was_deleted_is_named_long_before_the_time_is_over(
    store: KafkaJournalStore, settings: KafkaSettings
) -> None:
    journal = store.open(CONTROL)
    journal.append(b"before")
    assert journal.end() == 0

    delete_topic(settings, f"{settings.namespace}.control")

    said = rf"topic {settings.namespace}\.control of .* is not there any more: somebody deleted it"
    # Brokers take the deletion in at once and carry it out by and by.
    errors: list[str] = []
    wait_until(lambda: not is_answered(journal.end, errors), "no answer any more", 120)
    assert re.search(said, errors[0])
    if settings.driver == "kafka-python":  # librdkafka believes in a topic for half a minute.
        with pytest.raises(BrokerUnavailableError, match=said):
            journal.append(b"behind")
        with pytest.raises(BrokerUnavailableError, match=said):
            journal.append(b"and again, by a new producer")


@pytest.mark.own_broker
def test_a_broker_that_is_dead_is_told_in_plain_words(kafka_namespace: str) -> None:
    cluster = KafkaCluster()
    settings = KafkaSettings(bootstrap=(cluster.bootstrap,), namespace=kafka_namespace, request_timeout_s=120)
    store = KafkaJournalStore(settings)
    store.open(CONTROL).append(b"before")
    store.close()
    hasty = KafkaJournalStore(replace(settings, request_timeout_s=3))
    journal = opened(hasty)
    wait_until(lambda: appends(journal, b"connected"), "a producer", 60)
    wait_until(lambda: is_answered(journal.end, []), "an answer", 60)

    cluster.stop()

    said = rf"no broker can be reached: {cluster.bootstrap}: connection refused"
    with pytest.raises(BrokerUnavailableError, match=f"no answer to where .*{said}"):
        journal.end()
    with pytest.raises(BrokerUnavailableError, match=f"no answer to an append .*{said}"):
        journal.append(b"nowhere")
    hasty.close()
