"""Does a replicated journal go on when a node dies, with nothing lost?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import TopicCollection, TopicPartitionInfo
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.journals.journal import CONTROL
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import DRIVERS, KafkaSettings
from asynq_compat.journals.kafka.topics import WANTED_IF_REPLICATED
from tests.interop.test_kafka_driver import Appender
from tests.services.kafka import KafkaCluster, KafkaNodes
from tests.services.waiting import wait_until
from tests.unit.journals.contract import data_of, read_all

PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def nodes(kafka_cluster: KafkaCluster) -> Iterator[KafkaNodes]:
    """Three nodes; the session's one is asked for only to be skipped alike."""
    nodes = KafkaNodes()
    yield nodes
    nodes.stop()


@pytest.fixture(scope="module")
def admin(nodes: KafkaNodes) -> AdminClient:
    """librdkafka's: kafka-python's leaves sockets behind when it cannot connect to a dead node."""
    return AdminClient({"bootstrap.servers": ",".join(nodes.bootstrap), "log_level": 0})


def partition_of(admin: AdminClient, topic: str) -> TopicPartitionInfo:
    described = admin.describe_topics(TopicCollection([topic]))[topic].result(PATIENCE_S)
    (partition,) = described.partitions
    assert isinstance(partition, TopicPartitionInfo)
    return partition


def settings_of(admin: AdminClient, topic: str) -> dict[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    found = admin.describe_configs([resource])[resource].result(PATIENCE_S)
    return {name: found[name].value for name in WANTED_IF_REPLICATED}


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_leader_killed_under_load_loses_nothing_acknowledged(
    nodes: KafkaNodes, admin: AdminClient, kafka_namespace: str, driver: str
) -> None:
    settings = KafkaSettings(
        bootstrap=nodes.bootstrap,
        namespace=kafka_namespace,
        replication_factor=3,
        driver=driver,
        request_timeout_s=PATIENCE_S,
    )
    store = KafkaJournalStore(settings)
    journal = store.open(CONTROL)
    reading = store.open(CONTROL)
    appender = Appender(journal)
    wait_until(lambda: len(appender.acknowledged) > 50, "appends before the leader's death", PATIENCE_S)
    read_before = len(read_all(reading, 20))
    topic = f"{kafka_namespace}.control"
    leader = nodes.nodes[partition_of(admin, topic).leader.id - 1]

    leader.kill()

    acknowledged_before = len(appender.acknowledged)
    wait_until(lambda: len(appender.acknowledged) > acknowledged_before + 50, "appends to the next leader", PATIENCE_S)
    appender.stop()
    log = data_of(read_all(reading, reading.end() + 1))
    assert read_before >= 20
    assert appender.unknown_fates == 0
    assert log[: len(appender.acknowledged)] == appender.acknowledged
    assert len(log) == len(set(log))
    store.close()
    leader.start()
    wait_until(lambda: len(partition_of(admin, topic).isr) == 3, "the dead node to be back", PATIENCE_S)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("factor", [3, -1])
def test_a_replicated_topic_is_made_so_that_an_append_stands_on_two_nodes(
    nodes: KafkaNodes, admin: AdminClient, kafka_namespace: str, driver: str, factor: int
) -> None:
    """Also where the cluster's own default says how often it is replicated."""
    topic = f"{kafka_namespace}.control"
    store = KafkaJournalStore(
        KafkaSettings(bootstrap=nodes.bootstrap, namespace=kafka_namespace, replication_factor=factor, driver=driver)
    )

    store.open(CONTROL).append(b"x")

    assert len(partition_of(admin, topic).replicas) == 3
    # Where they were set afterwards each node hears of it in its own time.
    wait_until(lambda: settings_of(admin, topic) == WANTED_IF_REPLICATED, "the settings", PATIENCE_S)
    store.close()


@pytest.mark.parametrize(
    ("setting", "value"), [("min.insync.replicas", "1"), ("unclean.leader.election.enable", "true")]
)
def test_a_replicated_topic_that_could_lose_what_it_acknowledged_is_refused(
    nodes: KafkaNodes, admin: AdminClient, kafka_namespace: str, setting: str, value: str
) -> None:
    settings = KafkaSettings(bootstrap=nodes.bootstrap, namespace=kafka_namespace, replication_factor=3)
    topic = f"{kafka_namespace}.control"
    store = KafkaJournalStore(settings)
    store.open(CONTROL)
    change = [ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=change)
    admin.incremental_alter_configs([resource])[resource].result(PATIENCE_S)

    refusals: list[str] = []

    def is_refused() -> bool:
        try:
            store.open(CONTROL)
        except InvalidArgumentError as error:
            refusals.append(str(error))
        return bool(refusals)

    wait_until(is_refused, "a broker that is asked to know of the change", PATIENCE_S)
    assert f"topic {topic} has {setting}={value}" in refusals[0]
    assert f"--add-config {setting}={WANTED_IF_REPLICATED[setting]}" in refusals[0]
    store.close()


def test_more_copies_than_nodes_are_refused_with_the_cause(nodes: KafkaNodes, kafka_namespace: str) -> None:
    settings = KafkaSettings(bootstrap=nodes.bootstrap, namespace=kafka_namespace, replication_factor=4)
    store = KafkaJournalStore(settings)

    with pytest.raises(InvalidArgumentError, match=r"replication_factor 4 cannot be had: .*3 broker"):
        store.open(CONTROL)

    store.close()
