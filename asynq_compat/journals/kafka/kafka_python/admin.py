"""How does kafka-python look after topics?

Contract: as `TopicAdmin`; also lists topics and deletes records.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import kafka
import kafka.errors
from kafka.admin import ConfigResource, KafkaAdminClient

from asynq_compat.errors import BrokerUnavailableError, UnsupportedByBroker
from asynq_compat.journals.kafka.driver import At
from asynq_compat.journals.kafka.ensuring import Described
from asynq_compat.journals.kafka.kafka_python.connecting import Connector
from asynq_compat.journals.kafka.kafka_python.patience import cause_of
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.topics import WANTED, WANTED_IF_REPLICATED
from asynq_compat.journals.kafka.unreachable import right_needed, too_few_brokers, too_old

_NOT_YET = {
    kafka.errors.NoError,
    kafka.errors.UnknownTopicOrPartitionError,
    kafka.errors.LeaderNotAvailableError,
}


class AdminClient(KafkaAdminClient):  # type: ignore[misc]  # kafka-python has no types
    """A client that says why it is not told a topic's settings, which the library leaves out."""

    @classmethod
    def _describe_configs_process_responses(cls, responses: Any, config_filter: str = "modified") -> Any:
        for result in (result for response in responses for result in response.results):
            error = kafka.errors.for_code(result.error_code)
            if issubclass(error, kafka.errors.AuthorizationError):
                raise error(result.resource_name)
        return super()._describe_configs_process_responses(responses, config_filter)


class KafkaPythonAdmin:
    """The topics of a cluster, over one client. One thread at a time."""

    def __init__(self, settings: KafkaSettings, connector: Connector, client: Any) -> None:
        self._settings = settings
        self._connector = connector
        self._client = client
        self._timeout_ms = int(settings.request_timeout_s * 1000)

    @contextlib.contextmanager
    def _translating(self, text: str, operation: str) -> Iterator[None]:
        """Translate the library's errors; one of a missing right carries the topic on which `operation` was tried."""
        try:
            yield
        except kafka.errors.AuthorizationError as error:
            if not error.args:
                raise self._no_answer(text, error) from error
            raise BrokerUnavailableError(right_needed(self._settings, error.args[0], operation)) from error
        except (kafka.errors.IncompatibleBrokerVersion, kafka.errors.UnsupportedVersionError) as error:
            raise UnsupportedByBroker(too_old(self._settings, str(error))) from error
        except kafka.errors.KafkaError as error:
            raise self._no_answer(text, error) from error

    def _no_answer(self, text: str, error: Exception) -> BrokerUnavailableError:
        cause = cause_of(self._settings, error)
        return BrokerUnavailableError(
            f"{text} ({self._settings.address}): {cause}{self._connector.heard()}", may_have_happened="be cut" in text
        )

    def topics(self) -> list[str]:
        """Return the names of all topics that this user may see."""
        with self._translating("no answer to which topics there are", "describe"):
            return [str(name) for name in self._client.list_topics()]

    def describe(self, topics: Sequence[str]) -> Mapping[str, Described]:
        """Return what there is, without those that do not exist or have no leader yet."""
        described = {}
        with self._translating(f"{_named(topics)} cannot be described", "describe"):
            for found in self._client.describe_topics(list(topics)):
                error = kafka.errors.for_code(found["error_code"])
                partitions = found["partitions"]
                if error not in _NOT_YET:
                    raise error(found["name"])
                if partitions and all(one["leader_id"] >= 0 for one in partitions):
                    described[found["name"]] = Described(len(partitions), len(partitions[0]["replica_nodes"]))
        return described

    def configs(self, topics: Sequence[str]) -> Mapping[str, Mapping[str, str | None]]:
        """Return their settings that are wanted, without topics that the broker does not know yet."""
        names = dict.fromkeys((*WANTED, *WANTED_IF_REPLICATED), "")
        resources = [ConfigResource("topic", topic, names) for topic in topics]
        with self._translating(f"the settings of {_named(topics)} cannot be read", "describe_configs"):
            found = self._client.describe_configs(resources, config_filter="all")["topic"]
        return {
            topic: {name: config["value"] for name, config in configs.items()}
            for topic, configs in found.items()
            if configs
        }

    def create(self, topics: Mapping[str, int], replication_factor: int, configs: Mapping[str, str]) -> None:
        """Make them, each with so many partitions; nothing happens to those that exist."""
        wanted = {
            topic: {"num_partitions": count, "replication_factor": replication_factor, "configs": dict(configs)}
            for topic, count in topics.items()
        }
        with self._translating(f"{_named(topics)} cannot be made", "create"):
            try:
                answer = self._client.create_topics(wanted, timeout_ms=self._timeout_ms, raise_errors=False)
            except ValueError as error:  # A source of settings that the library does not know; the topics are made.
                logging.getLogger("asynq_compat").debug("answer to a topic's creation not understood: %s", error)
                return
            for made in answer["topics"]:
                failure = kafka.errors.for_code(made["error_code"])
                said = str(made.get("error_message") or failure.__name__)
                if failure is kafka.errors.InvalidReplicationFactorError:
                    raise too_few_brokers(self._settings, said)
                if issubclass(failure, kafka.errors.AuthorizationError):
                    raise failure(made["name"])
                if failure not in {kafka.errors.NoError, kafka.errors.TopicAlreadyExistsError}:
                    raise failure(f"{made['name']}: {said}")

    def alter(self, topics: Sequence[str], configs: Mapping[str, str]) -> None:
        """Change these settings and leave the others."""
        with self._translating(f"{_named(topics)} cannot be altered", "alter_configs"):
            for topic in topics:  # The library does not say which of several it may not alter.
                try:
                    self._client.alter_configs([ConfigResource("topic", topic, dict(configs))])
                except kafka.errors.AuthorizationError as error:
                    raise type(error)(topic) from error

    def truncate(self, at: At, before: int) -> None:
        """Delete the records below an offset."""
        with self._translating(f"{at.topic} cannot be cut", "delete"):
            try:
                self._client.delete_records({kafka.TopicPartition(*at): before}, timeout_ms=self._timeout_ms)
            except kafka.errors.AuthorizationError as error:
                raise type(error)(at.topic) from error


def _named(topics: Collection[str]) -> str:
    """Return the topics as the subject of a sentence."""
    first = next(iter(topics))
    return f"topic {first}" if len(topics) == 1 else f"topic {first} or another of {len(topics)}"
