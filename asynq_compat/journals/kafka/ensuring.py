"""Are topics there, and as journals need them?

Contract: looks before it makes, so that a user who may not make topics can use those that stand. What stands there and would harm a
journal is refused with the command that mends it; nothing that another program made is changed.
Not obvious: how often a topic is replicated that was made by the cluster's own default shows only afterwards, so its settings for
replicated topics are set then.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from asynq_compat.errors import BrokerUnavailableError, InvalidArgumentError
from asynq_compat.journals.examining import Condition
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.topics import (
    WANTED,
    WANTED_IF_REPLICATED,
    fault_of,
    fault_of_count,
    faults_of,
    journal_name_of,
)
from asynq_compat.journals.kafka.unreachable import BrokersStartingError

_LOOK_AGAIN_S = 0.02
_CREATE_AGAIN_S = 0.1
_TOLD_WITHIN_S = 5.0
# Of what one request makes: a broker takes some milliseconds for each, and refuses more than 10 000.
_PARTITIONS_MAX = 500


@dataclass(frozen=True, slots=True)
class Described:
    """A topic that exists: `replica_count` of its first partition."""

    partition_count: int
    replica_count: int


class TopicAdmin(Protocol):
    """What a client library can do with topics, many in one request. Raises BrokerUnavailableError for no answer and for a right that is missing."""

    def describe(self, topics: Sequence[str]) -> Mapping[str, Described]:
        """Return what there is, without those that do not exist or have no leader yet."""

    def configs(self, topics: Sequence[str]) -> Mapping[str, Mapping[str, str | None]]:
        """Return their settings, at least those that are wanted, without topics that the broker does not know yet."""

    def create(self, topics: Mapping[str, int], replication_factor: int, configs: Mapping[str, str]) -> None:
        """Make them, each with so many partitions; nothing happens to those that exist."""

    def alter(self, topics: Sequence[str], configs: Mapping[str, str]) -> None:
        """Change these settings and leave the others."""


def ensure_topics(admin: TopicAdmin, settings: KafkaSettings, wanted: Mapping[str, int]) -> dict[str, int]:
    """Make the topics that do not exist, check what stands there; return how many partitions each has.

    Args:
        admin: Does it.
        settings: Of the cluster.
        wanted: With how many partitions each topic is made.

    Raises:
        InvalidArgumentError: A setting of one would harm a journal; the message says which and how to mend it.
        BrokerUnavailableError: No answer, or the right is missing.
    """
    topics = list(wanted)
    described = dict(admin.describe(topics))
    missing = [topic for topic in topics if topic not in described]
    factor = settings.replication_factor
    for some in _in_requests(missing, wanted):
        _create(admin, settings, some)
        described |= _appeared(admin, settings, list(some))
    replicated = [topic for topic in missing if described[topic].replica_count > 1]
    if factor == -1 and replicated:
        admin.alter(replicated, WANTED_IF_REPLICATED)
    # First what cannot be mended by a setting.
    for topic in topics:
        base = journal_name_of(settings.namespace, topic) or topic
        if fault := fault_of_count(base, topic, settings.bootstrap[0], described[topic].partition_count, 0):
            raise InvalidArgumentError(fault)
    found = _configs(admin, settings, topics)
    for topic in topics:
        if fault := fault_of(topic, settings.bootstrap[0], found[topic], described[topic].replica_count):
            raise InvalidArgumentError(fault)
    return {topic: described[topic].partition_count for topic in topics}


def examine_topics(admin: TopicAdmin, settings: KafkaSettings, topics: Sequence[str]) -> Sequence[Condition]:
    """Return how topics are that exist; raises BrokerUnavailableError."""
    described = admin.describe(topics) if topics else {}
    configs = admin.configs(list(described)) if described else {}
    return list(_conditions(settings, {topic: described.get(topic) for topic in topics}, configs))


def _conditions(
    settings: KafkaSettings,
    topics: Mapping[str, Described | None],
    configs: Mapping[str, Mapping[str, str | None]],
) -> Iterator[Condition]:
    """Yield how the topics are; one word on those that are as they should be.

    Args:
        settings: Of the cluster.
        topics: All of the namespace; None for one without a leader.
        configs: Their settings.
    """
    if not topics:
        yield Condition(check="topics", text=f"namespace {settings.namespace} has no topics yet")
        return
    found = [fault for topic, described in topics.items() for fault in _faults(settings, topic, described, configs)]
    yield from found or [
        Condition(check="topics", text=f"{len(topics)} topics are there, with the settings that journals need")
    ]
    single = [topic for topic, described in topics.items() if described is not None and described.replica_count == 1]
    if single:
        yield Condition(
            check="replication",
            text=f"{len(single)} of {len(topics)} topics have one copy ({single[0]}): what stands in them is lost with its broker; "
            "have three made with replication_factor=3",
            is_fine=False,
        )
    else:
        yield Condition(check="replication", text="each topic has several copies")


def _faults(
    settings: KafkaSettings,
    topic: str,
    described: Described | None,
    configs: Mapping[str, Mapping[str, str | None]],
) -> Iterator[Condition]:
    if described is None:
        text = f"topic {topic} has a partition without a leader: nothing can be appended there; are all brokers up?"
        yield Condition(check="topics", text=text, is_fine=False, is_grave=True)
        return
    address = settings.bootstrap[0]
    base = journal_name_of(settings.namespace, topic) or topic
    faults = [
        fault_of_count(base, topic, address, described.partition_count, 0),
        *faults_of(topic, address, configs.get(topic, {}), described.replica_count),
    ]
    yield from (Condition(check="topics", text=fault, is_fine=False, is_grave=True) for fault in faults if fault)


def _in_requests(topics: Sequence[str], wanted: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Give the topics in parts that a broker makes well within the time that it is given for one request."""
    part: dict[str, int] = {}
    for topic in topics:
        if part and sum(part.values()) + wanted[topic] > _PARTITIONS_MAX:
            yield part
            part = {}
        part[topic] = wanted[topic]
    if part:
        yield part


def _create(admin: TopicAdmin, settings: KafkaSettings, topics: Mapping[str, int]) -> None:
    """Make them as soon as there is a broker that may lead them: one that has not been heard of for a while may not."""
    factor = settings.replication_factor
    configs = {**WANTED, **(WANTED_IF_REPLICATED if factor > 1 else {})}
    deadline = time.monotonic() + settings.request_timeout_s
    pause = threading.Event()
    while True:
        try:
            return admin.create(topics, factor, configs)
        except BrokersStartingError as error:
            if time.monotonic() > deadline:
                raise BrokerUnavailableError(str(error)) from error
            pause.wait(_CREATE_AGAIN_S)


def _configs(
    admin: TopicAdmin, settings: KafkaSettings, topics: Sequence[str]
) -> Mapping[str, Mapping[str, str | None]]:
    """Wait until a broker tells the settings: one that has not heard of a new topic yet tells none."""
    deadline = time.monotonic() + min(_TOLD_WITHIN_S, settings.request_timeout_s)
    pause = threading.Event()
    found = dict(admin.configs(topics))
    while untold := [topic for topic in topics if topic not in found]:
        if time.monotonic() > deadline:
            raise BrokerUnavailableError(
                f"the settings of topic {untold[0]} are not told by any broker of {settings.address}"
            )
        pause.wait(_LOOK_AGAIN_S)
        found |= admin.configs(untold)
    return found


def _appeared(admin: TopicAdmin, settings: KafkaSettings, topics: Sequence[str]) -> dict[str, Described]:
    """Wait until the brokers know of topics that were made."""
    deadline = time.monotonic() + settings.request_timeout_s
    pause = threading.Event()
    described = dict(admin.describe(topics))
    while unknown := [topic for topic in topics if topic not in described]:
        if time.monotonic() > deadline:
            raise BrokerUnavailableError(
                f"topic {unknown[0]} was made, but no broker of {settings.address} leads it within {settings.request_timeout_s:g} s"
            )
        pause.wait(_LOOK_AGAIN_S)
        described |= admin.describe(unknown)
    return described
