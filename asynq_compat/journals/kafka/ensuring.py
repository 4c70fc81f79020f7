"""Is a topic there, and as a journal needs it?

Contract: looks before it makes, so that a user who may not make topics can use those that stand. What stands there and would harm a
journal is refused with the command that mends it; nothing that another program made is changed.
Not obvious: how often a topic is replicated that was made by the cluster's own default shows only afterwards, so its settings for
replicated topics are set then.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from asynq_compat.errors import BrokerUnavailableError, InvalidArgumentError
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.topics import (
    WANTED,
    WANTED_IF_REPLICATED,
    fault_of,
    fault_of_count,
    journal_name_of,
)

_LOOK_AGAIN_S = 0.02
_TOLD_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Described:
    """A topic that exists: `replica_count` of its first partition."""

    partition_count: int
    replica_count: int


class TopicAdmin(Protocol):
    """What a client library can do with topics. Raises BrokerUnavailableError for no answer and for a right that is missing."""

    def describe(self, topic: str) -> Described | None:
        """Return what there is; None if there is no such topic, or it has no leader yet."""

    def configs(self, topic: str) -> Mapping[str, str | None]:
        """Return its settings, at least those that are wanted; nothing if the broker does not know it yet."""

    def create(self, topic: str, partition_count: int, replication_factor: int, configs: Mapping[str, str]) -> None:
        """Make it; nothing happens if it exists."""

    def alter(self, topic: str, configs: Mapping[str, str]) -> None:
        """Change these settings and leave the others."""


def ensure_topic(admin: TopicAdmin, settings: KafkaSettings, topic: str, partition_count: int) -> int:
    """Make the topic with so many partitions if it does not exist, check what stands there; return how many it has.

    Raises:
        InvalidArgumentError: A setting of it would harm a journal; the message says which and how to mend it.
        BrokerUnavailableError: No answer, or the right is missing.
    """
    described = admin.describe(topic)
    if described is None:
        factor = settings.replication_factor
        admin.create(topic, partition_count, factor, {**WANTED, **(WANTED_IF_REPLICATED if factor > 1 else {})})
        described = _appeared(admin, settings, topic)
        if factor == -1 and described.replica_count > 1:
            admin.alter(topic, WANTED_IF_REPLICATED)
    # First what cannot be mended by a setting.
    base = journal_name_of(settings.namespace, topic) or topic
    if fault := fault_of_count(base, topic, settings.bootstrap[0], described.partition_count, 0):
        raise InvalidArgumentError(fault)
    found = _configs(admin, settings, topic)
    if fault := fault_of(topic, settings.bootstrap[0], found, described.replica_count):
        raise InvalidArgumentError(fault)
    return described.partition_count


def _configs(admin: TopicAdmin, settings: KafkaSettings, topic: str) -> Mapping[str, str | None]:
    """Wait until a broker tells the settings: one that has not heard of a new topic yet tells none."""
    deadline = time.monotonic() + min(_TOLD_WITHIN_S, settings.request_timeout_s)
    pause = threading.Event()
    while not (found := admin.configs(topic)):
        if time.monotonic() > deadline:
            raise BrokerUnavailableError(
                f"the settings of topic {topic} are not told by any broker of {settings.address}"
            )
        pause.wait(_LOOK_AGAIN_S)
    return found


def _appeared(admin: TopicAdmin, settings: KafkaSettings, topic: str) -> Described:
    """Wait until the brokers know of a topic that was made."""
    deadline = time.monotonic() + settings.request_timeout_s
    pause = threading.Event()
    while (described := admin.describe(topic)) is None:
        if time.monotonic() > deadline:
            raise BrokerUnavailableError(
                f"topic {topic} was made, but no broker of {settings.address} leads it within {settings.request_timeout_s:g} s"
            )
        pause.wait(_LOOK_AGAIN_S)
    return described
