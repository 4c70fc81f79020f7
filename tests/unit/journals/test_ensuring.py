"""Are the topics of many queues made in few requests, and is each as its journal needs it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from asynq_compat.errors import BrokerUnavailableError, InvalidArgumentError
from asynq_compat.journals.kafka.ensuring import Described, ensure_topics
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.topics import WANTED, WANTED_IF_REPLICATED

_SETTINGS = KafkaSettings(bootstrap=("broker:9092",), request_timeout_s=60)
_IMPATIENT = KafkaSettings(bootstrap=("broker:9092",), request_timeout_s=0.05)
_QUEUES = [f"asynq.queue.q{number}" for number in range(100)]


class Cluster:
    """A cluster that notes what it is asked for, and knows a topic only at the third look."""

    def __init__(self, replica_count: int = 1, *, tells_settings: bool = True) -> None:
        self.replica_count = replica_count
        self.tells_settings = tells_settings
        self.stands: dict[str, int] = {}
        self.settings: dict[str, dict[str, str | None]] = {}
        self.looks: dict[str, int] = {}
        self.created: list[Mapping[str, int]] = []
        self.altered: list[Sequence[str]] = []

    def describe(self, topics: Sequence[str]) -> Mapping[str, Described]:
        for topic in topics:
            self.looks[topic] = self.looks.get(topic, 0) + 1
        known = [topic for topic in topics if topic in self.stands and self.looks[topic] > 2]
        return {topic: Described(self.stands[topic], self.replica_count) for topic in known}

    def configs(self, topics: Sequence[str]) -> Mapping[str, Mapping[str, str | None]]:
        return {topic: self.settings[topic] for topic in topics if self.tells_settings}

    def create(self, topics: Mapping[str, int], replication_factor: int, configs: Mapping[str, str]) -> None:
        assert replication_factor == -1
        self.created.append(topics)
        self.stands |= topics
        self.settings |= {topic: dict(configs) for topic in topics}

    def alter(self, topics: Sequence[str], configs: Mapping[str, str]) -> None:
        self.altered.append(topics)
        for topic in topics:
            self.settings[topic] |= configs

    def has(self, topic: str, partition_count: int = 1, **configs: str) -> None:
        self.stands[topic], self.looks[topic] = partition_count, 2
        self.settings[topic] = {**WANTED, **{name.replace("_", "."): value for name, value in configs.items()}}


def test_a_hundred_topics_are_made_by_one_request() -> None:
    cluster = Cluster()

    counts = ensure_topics(cluster, _SETTINGS, dict.fromkeys(_QUEUES, 1))

    assert counts == dict.fromkeys(_QUEUES, 1)
    assert cluster.created == [dict.fromkeys(_QUEUES, 1)]


def test_a_request_makes_no_more_than_a_broker_makes_in_its_time() -> None:
    cluster = Cluster()

    ensure_topics(cluster, _SETTINGS, dict.fromkeys(_QUEUES, 16))

    assert [sum(made.values()) for made in cluster.created] == [496, 496, 496, 112]


def test_what_stands_there_is_left_alone_and_keeps_its_partitions() -> None:
    cluster = Cluster()
    cluster.has(_QUEUES[0], 4)

    counts = ensure_topics(cluster, _SETTINGS, dict.fromkeys(_QUEUES[:2], 1))

    assert counts == {_QUEUES[0]: 4, _QUEUES[1]: 1}
    assert cluster.created == [{_QUEUES[1]: 1}]


def test_new_topics_that_are_replicated_get_the_settings_of_such() -> None:
    cluster = Cluster(replica_count=3)
    cluster.has(_QUEUES[0], min_insync_replicas="2")

    ensure_topics(cluster, _SETTINGS, dict.fromkeys(_QUEUES[:3], 1))

    assert cluster.altered == [_QUEUES[1:3]]
    assert cluster.settings[_QUEUES[2]] == {**WANTED, **WANTED_IF_REPLICATED}


def test_the_topic_is_named_whose_settings_would_harm_its_journal() -> None:
    cluster = Cluster()
    cluster.has(_QUEUES[0])
    cluster.has(_QUEUES[1], cleanup_policy="compact")

    with pytest.raises(InvalidArgumentError, match=rf"topic {_QUEUES[1]} has cleanup\.policy=compact"):
        ensure_topics(cluster, _SETTINGS, dict.fromkeys(_QUEUES[:3], 1))


def test_settings_that_no_broker_tells_are_not_waited_for_for_ever() -> None:
    with pytest.raises(BrokerUnavailableError, match=f"the settings of topic {_QUEUES[0]} are not told"):
        ensure_topics(Cluster(tells_settings=False), _IMPATIENT, dict.fromkeys(_QUEUES[:2], 1))
