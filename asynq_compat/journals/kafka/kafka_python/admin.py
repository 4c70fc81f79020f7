"""How does kafka-python look after topics?

Contract: as `TopicAdmin`; also lists topics and deletes records.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

import kafka
import kafka.errors
from kafka.admin import ConfigResource, KafkaAdminClient

from asynq_compat.errors import BrokerUnavailableError, InvalidArgumentError, UnsupportedByBroker
from asynq_compat.journals.kafka.driver import At
from asynq_compat.journals.kafka.ensuring import Described
from asynq_compat.journals.kafka.kafka_python.connecting import Connector
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.topics import WANTED, WANTED_IF_REPLICATED
from asynq_compat.journals.kafka.unreachable import right_needed, too_few_brokers, too_old


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
    def _translating(self, text: str, *, right: tuple[str, str] | None = None) -> Iterator[None]:
        """Translate the library's errors; `right` is the topic and what is done with it."""
        try:
            yield
        except kafka.errors.AuthorizationError as error:
            if right is None:
                raise self._no_answer(text, error) from error
            raise BrokerUnavailableError(right_needed(self._settings, *right)) from error
        except (kafka.errors.IncompatibleBrokerVersion, kafka.errors.UnsupportedVersionError) as error:
            raise UnsupportedByBroker(too_old(self._settings, str(error))) from error
        except kafka.errors.KafkaError as error:
            raise self._no_answer(text, error) from error

    def _no_answer(self, text: str, error: Exception) -> BrokerUnavailableError:
        cause = f"{type(error).__name__}: {error}"[:200]
        return BrokerUnavailableError(
            f"{text} ({self._settings.address}): {cause}{self._connector.heard()}", may_have_happened="be cut" in text
        )

    def topics(self) -> list[str]:
        """Return the names of all topics that this user may see."""
        with self._translating("no answer to which topics there are"):
            return [str(name) for name in self._client.list_topics()]

    def describe(self, topic: str) -> Described | None:
        """Return what there is; None if there is no such topic, or it has no leader yet."""
        with self._translating(f"topic {topic} cannot be described", right=(topic, "describe")):
            (found,) = self._client.describe_topics([topic])
            error = kafka.errors.for_code(found["error_code"])
            if error is kafka.errors.UnknownTopicOrPartitionError:
                return None
            if error is not kafka.errors.NoError:
                raise error
            partitions = found["partitions"]
        if not partitions or any(one["leader_id"] < 0 for one in partitions):
            return None
        return Described(len(partitions), len(partitions[0]["replica_nodes"]))

    def configs(self, topic: str) -> Mapping[str, str | None]:
        """Return its settings that are wanted; nothing if the broker does not know it yet."""
        resource = ConfigResource("topic", topic, dict.fromkeys((*WANTED, *WANTED_IF_REPLICATED), ""))
        with self._translating(f"the settings of topic {topic} cannot be read", right=(topic, "describe_configs")):
            found = self._client.describe_configs([resource], config_filter="all")["topic"][topic]
        return {name: config["value"] for name, config in found.items()}

    def create(self, topic: str, partition_count: int, replication_factor: int, configs: Mapping[str, str]) -> None:
        """Make it; nothing happens if it exists."""
        wanted = {
            "num_partitions": partition_count,
            "replication_factor": replication_factor,
            "configs": dict(configs),
        }
        with self._translating(f"topic {topic} cannot be made", right=(topic, "create")):
            try:
                self._client.create_topics({topic: wanted}, timeout_ms=self._timeout_ms)
            except kafka.errors.TopicAlreadyExistsError:
                pass
            except kafka.errors.InvalidReplicationFactorError as error:
                raise InvalidArgumentError(too_few_brokers(self._settings, _said(error))) from error
            except ValueError as error:  # A source of settings that the library does not know; the topic is made.
                logging.getLogger("asynq_compat").debug("answer to a topic's creation not understood: %s", error)

    def alter(self, topic: str, configs: Mapping[str, str]) -> None:
        """Change these settings and leave the others."""
        with self._translating(f"topic {topic} cannot be altered", right=(topic, "alter_configs")):
            self._client.alter_configs([ConfigResource("topic", topic, dict(configs))])

    def truncate(self, at: At, before: int) -> None:
        """Delete the records below an offset."""
        with self._translating(f"{at.topic} cannot be cut", right=(at.topic, "delete")):
            self._client.delete_records({kafka.TopicPartition(*at): before}, timeout_ms=self._timeout_ms)


def _said(error: Exception) -> str:
    """Return the broker's own words, which the library leaves inside the answer that it prints."""
    found = re.search(r"error_message='([^']*)'", str(error))
    return found[1] if found else str(error)
