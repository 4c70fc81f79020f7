"""How does confluent-kafka look after topics?

Contract: as `TopicAdmin`; also lists topics and deletes records.
Not obvious: librdkafka drops a broker that the cluster does not count among its own for a moment, and every question to it; all of them may be
asked again.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Concatenate, ParamSpec, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from asynq_compat.errors import BrokerUnavailableError, UnsupportedByBroker
from asynq_compat.journals.kafka.confluent.connecting import Connector
from asynq_compat.journals.kafka.driver import At
from asynq_compat.journals.kafka.ensuring import Described
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.unreachable import right_needed, too_few_brokers, too_old

_NOT_ALLOWED = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED}
_NOT_YET = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.LEADER_NOT_AVAILABLE}
_AGAIN_S = 0.1
_P = ParamSpec("_P")
_A = TypeVar("_A")


def _asked_again(
    ask: Callable[Concatenate[ConfluentAdmin, _P], _A],
) -> Callable[Concatenate[ConfluentAdmin, _P], _A]:
    """Ask once more while the broker that was asked has been dropped, as long as an answer may take."""

    @functools.wraps(ask)
    def again(self: ConfluentAdmin, /, *args: _P.args, **options: _P.kwargs) -> _A:
        deadline = time.monotonic() + self.timeout_s
        while True:
            try:
                return ask(self, *args, **options)
            except BrokerUnavailableError as error:
                if not _is_dropped(error.__cause__) or time.monotonic() > deadline:
                    raise
                threading.Event().wait(_AGAIN_S)

    return again


def _is_dropped(error: BaseException | None) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() == KafkaError._DESTROY_BROKER  # noqa: SLF001 - the library's names of its own errors begin so


class ConfluentAdmin:
    """The topics of a cluster, over one client.

    Attributes:
        timeout_s: How long an answer may take.
    """

    def __init__(self, settings: KafkaSettings, connector: Connector, client: AdminClient) -> None:
        self._settings = settings
        self._connector = connector
        self._client = client
        self.timeout_s = settings.request_timeout_s

    @_asked_again
    def topics(self) -> list[str]:
        """Return the names of all topics that this user may see."""
        try:
            return list(self._client.list_topics(timeout=self.timeout_s).topics)
        except KafkaException as error:
            raise self._no_answer("no answer to which topics there are", error) from error

    @_asked_again
    def describe(self, topics: Sequence[str]) -> Mapping[str, Described]:
        """Return what there is, without those that do not exist or have no leader yet."""
        asked = self._client.describe_topics(TopicCollection(list(topics)), request_timeout=self.timeout_s)
        described = {}
        for topic in topics:
            try:
                partitions = self._result(asked[topic], topic, "describe").partitions
            except KafkaException as error:
                if error.args[0].code() not in _NOT_YET:
                    raise self._no_answer(f"topic {topic} cannot be described", error) from error
                continue
            if partitions and all(one.leader is not None and one.leader.id >= 0 for one in partitions):
                described[topic] = Described(len(partitions), len(partitions[0].replicas))
        return described

    @_asked_again
    def configs(self, topics: Sequence[str]) -> Mapping[str, Mapping[str, str | None]]:
        """Return their settings, without topics that the broker does not know yet."""
        resources = {topic: ConfigResource(ResourceType.TOPIC, topic) for topic in topics}
        asked = self._client.describe_configs(list(resources.values()), request_timeout=self.timeout_s)
        configs = {}
        for topic, resource in resources.items():
            try:
                found = self._result(asked[resource], topic, "describe_configs")
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise self._no_answer(f"the settings of topic {topic} cannot be read", error) from error
                continue
            configs[topic] = {name: entry.value for name, entry in found.items()}
        return configs

    @_asked_again
    def create(self, topics: Mapping[str, int], replication_factor: int, configs: Mapping[str, str]) -> None:
        """Make them, each with so many partitions; nothing happens to those that exist."""
        wanted = [
            NewTopic(topic, num_partitions=count, replication_factor=replication_factor, config=dict(configs))
            for topic, count in topics.items()
        ]
        asked = self._client.create_topics(wanted, request_timeout=self.timeout_s)
        for topic in topics:
            try:
                self._result(asked[topic], topic, "create")
            except KafkaException as error:
                if error.args[0].code() == KafkaError.INVALID_REPLICATION_FACTOR:
                    raise too_few_brokers(self._settings, error.args[0].str()) from error
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise self._no_answer(f"topic {topic} cannot be made", error) from error

    @_asked_again
    def alter(self, topics: Sequence[str], configs: Mapping[str, str]) -> None:
        """Change these settings and leave the others."""
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in configs.items()
        ]
        resources = {topic: ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries) for topic in topics}
        asked = self._client.incremental_alter_configs(list(resources.values()), request_timeout=self.timeout_s)
        for topic, resource in resources.items():
            try:
                self._result(asked[resource], topic, "alter_configs")
            except KafkaException as error:
                raise self._no_answer(f"topic {topic} cannot be altered", error) from error

    @_asked_again
    def truncate(self, at: At, before: int) -> None:
        """Delete the records below an offset."""
        topic, partition = at.topic, TopicPartition(*at, before)
        asked = self._client.delete_records([partition], request_timeout=self.timeout_s)
        try:
            self._result(asked[partition], topic, "delete")
        except KafkaException as error:
            raise self._no_answer(f"{topic} cannot be cut", error, may_have_happened=True) from error

    def _result(self, future: Future[Any], topic: str, operation: str) -> Any:
        try:
            return future.result(self.timeout_s + 1)
        except FutureTimeoutError as error:
            raise BrokerUnavailableError(
                f"no answer about topic {topic} ({self._settings.address}){self._connector.heard()}"
            ) from error
        except KafkaException as error:
            if error.args[0].code() in _NOT_ALLOWED:
                raise BrokerUnavailableError(right_needed(self._settings, topic, operation)) from error
            raise

    def _no_answer(self, text: str, error: KafkaException, *, may_have_happened: bool = False) -> Exception:
        if error.args[0].code() == KafkaError._UNSUPPORTED_FEATURE:  # noqa: SLF001 - as above
            return UnsupportedByBroker(too_old(self._settings, error.args[0].str()))
        return BrokerUnavailableError(
            f"{text} ({self._settings.address}): {error.args[0].str()[:200]}{self._connector.heard()}",
            may_have_happened=may_have_happened,
        )
