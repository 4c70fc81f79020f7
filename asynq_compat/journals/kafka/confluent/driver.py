"""How does confluent-kafka carry the journals of a cluster?

Contract: as `Driver`. librdkafka's errors are translated in this folder.
Not obvious: an idempotent producer of librdkafka lives on after a failed record, unless the failure is fatal: then it is thrown away. A
long poll blocks its connection, so `end` has a client of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from asynq_compat.errors import BrokerUnavailableError, PayloadTooLargeError, ServerStateError
from asynq_compat.journals.examining import Condition
from asynq_compat.journals.journal import FRAME_BYTES_MAX, MissingRightError
from asynq_compat.journals.kafka.confluent.admin import ConfluentAdmin
from asynq_compat.journals.kafka.confluent.asking import GONE, Asker
from asynq_compat.journals.kafka.confluent.connecting import Connector, never_free
from asynq_compat.journals.kafka.confluent.fetcher import ConfluentFetcher
from asynq_compat.journals.kafka.confluent.producing import Producing
from asynq_compat.journals.kafka.driver import At
from asynq_compat.journals.kafka.ensuring import ensure_topics, examine_topics
from asynq_compat.journals.kafka.held import Connections, Held
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.topics import MESSAGE_BYTES_MAX
from asynq_compat.journals.kafka.unreachable import frame_too_large, right_needed, topic_gone

# What a producer may take to send what is under way when all is closed.
_FLUSH_S = 0.4
_REQUEST_TIMEOUT_MS_MAX = 900_000  # librdkafka takes no more.


class ConfluentDriver:
    """The connections of one process to one cluster, but those that read."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._begin()

    def _begin(self) -> None:
        self._connector = Connector(self._settings)
        self._producing = Held(self._make_producing, lambda one: one.close(_FLUSH_S), self._closed)
        self._admin = Held(self._make_admin, lambda _: None, self._closed)
        self._asker = Held(self._make_asker, Asker.close, self._closed)
        self._connections = Connections(self._connector.close, self._producing, self._admin, self._asker)

    def after_fork(self) -> None:
        """Start anew in a forked child; what was inherited is its parent's."""
        for inherited in self._connections.set_aside():
            never_free(inherited)
        self._begin()

    def connect_ahead(self) -> None:
        """Connect the producer beside whatever else is being done; a failure shows at the first append."""
        self._connections.connect_ahead()

    def append(self, at: At, frame: bytes) -> int:
        """Store a frame; return its offset."""
        producing = self._producing.get()
        topic = at.topic
        try:
            return producing.append(topic, at.partition, frame)
        except BufferError as error:
            raise self._no_answer(f"no broker takes an append to {topic}", error) from error
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            if cause.fatal():
                self._throw_away(producing)
            if cause.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                raise PayloadTooLargeError(
                    frame_too_large(topic, len(frame)), size_bytes=len(frame), size_bytes_max=FRAME_BYTES_MAX
                ) from error
            # The second is said to who may write no topic at all, instead of an identity for the producer.
            if cause.code() in {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED}:
                raise MissingRightError(right_needed(self._settings, topic, "write")) from error
            if cause.code() in GONE and not self._is_there(topic):
                raise BrokerUnavailableError(topic_gone(self._settings, topic), may_have_happened=True) from error
            raise self._no_answer(f"no answer to an append to {topic}", error, may_have_happened=True) from error

    def end(self, at: At) -> int:
        """Return the offset of the last record, -1 if there is none."""
        return self._offsets(at, "ends")[1] - 1

    def first(self, at: At) -> int:
        """Return the offset from which on nothing was deleted."""
        return self._offsets(at, "begins")[0]

    def _offsets(self, at: At, what: str) -> tuple[int, int]:
        topic = at.topic
        try:
            offsets = self._asker.get().offsets(at)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise BrokerUnavailableError(right_needed(self._settings, topic, "describe")) from error
            if error.args[0].code() in GONE and not self._is_there(topic):
                raise BrokerUnavailableError(topic_gone(self._settings, topic)) from error
            raise self._no_answer(f"no answer to where {topic} {what}", error) from error
        if offsets is None:
            raise self._no_answer(f"no answer to where {topic} {what}", TimeoutError("time is up"))
        return offsets

    def truncate(self, at: At, before: int) -> None:
        """Delete the records below an offset."""
        self._admin.get().truncate(at, before)

    def topics(self) -> Sequence[str]:
        """Return the names of all topics of the cluster that this user may see."""
        return self._admin.get().topics()

    def ensure_topics(self, wanted: Mapping[str, int]) -> Mapping[str, int]:
        """Make the topics that do not exist, check what stands there; return how many partitions each has."""
        return ensure_topics(self._admin.get(), self._settings, wanted)

    def examine_topics(self, topics: Sequence[str]) -> Sequence[Condition]:
        """Return how topics are that exist; none is made or changed."""
        return examine_topics(self._admin.get(), self._settings, topics)

    def fetcher(self, at: At) -> ConfluentFetcher:
        """Return a consumer of a partition, connected by its first use."""
        return ConfluentFetcher(self._settings, at)

    def close(self) -> None:
        """Close the connections, those that are being made too. Legal twice."""
        self._connections.close()

    def _make_producing(self) -> Producing:
        client = self._connector.connect(Producer, **self._producer_options())
        return Producing(client, self._settings.request_timeout_s)

    def _make_admin(self) -> ConfluentAdmin:
        return ConfluentAdmin(self._settings, self._connector, self._connector.connect(AdminClient))

    def _make_asker(self) -> Asker:
        return Asker(self._connector, self._settings, self._is_there)

    def _is_there(self, topic: str) -> bool:
        try:
            return topic in self.topics()
        except BrokerUnavailableError:
            return True  # Nobody says otherwise.

    def _producer_options(self) -> dict[str, Any]:
        timeout_ms = int(self._settings.request_timeout_s * 1000)
        return {
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 0,
            "message.timeout.ms": timeout_ms,
            "request.timeout.ms": min(max(timeout_ms // 2, 1), _REQUEST_TIMEOUT_MS_MAX),
            "message.max.bytes": MESSAGE_BYTES_MAX,
            "compression.type": self._settings.compression,
        }

    def _throw_away(self, producing: Producing) -> None:
        self._producing.forget(producing)
        producing.close(0)

    def _closed(self) -> ServerStateError:
        return ServerStateError(f"the journals of {self._settings.address} are closed; open them anew")

    def _no_answer(self, text: str, error: Exception, *, may_have_happened: bool = False) -> BrokerUnavailableError:
        cause = error.args[0].str() if isinstance(error, KafkaException) else str(error)
        return BrokerUnavailableError(
            f"{text} ({self._settings.address}): {cause[:200]}{self._connector.heard()}",
            may_have_happened=may_have_happened,
        )
