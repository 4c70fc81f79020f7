"""How does confluent-kafka carry the journals of a cluster?

Contract: as `Driver`. librdkafka's errors are translated in this folder.
Not obvious: an idempotent producer of librdkafka lives on after a failed record, unless the failure is fatal: then it is thrown away. A
long poll blocks its connection, so `end` has a client of its own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from asynq_compat.errors import AsynqError, BrokerUnavailableError, PayloadTooLargeError, ServerStateError
from asynq_compat.journals.journal import FRAME_BYTES_MAX, MissingRightError
from asynq_compat.journals.kafka.confluent.admin import ConfluentAdmin
from asynq_compat.journals.kafka.confluent.connecting import Connector, never_free
from asynq_compat.journals.kafka.confluent.fetcher import ConfluentFetcher
from asynq_compat.journals.kafka.confluent.producing import Producing
from asynq_compat.journals.kafka.driver import At
from asynq_compat.journals.kafka.ensuring import ensure_topic
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.topics import MESSAGE_BYTES_MAX
from asynq_compat.journals.kafka.unreachable import frame_too_large, right_needed


class ConfluentDriver:
    """The connections of one process to one cluster, but those that read."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._is_closed = False
        self._begin()

    def _begin(self) -> None:
        self._making_producer = threading.Lock()  # Guards the next one.
        self._producing: Producing | None = None
        self._lock = threading.Lock()  # Guards the next two.
        self._admin: ConfluentAdmin | None = None
        self._asker: Consumer | None = None
        self._asked: set[str] = set()  # Topics whose offsets were asked for.
        self._connector = Connector(self._settings)
        self._connecting: threading.Thread | None = None

    def after_fork(self) -> None:
        """Start anew in a forked child; what was inherited is its parent's."""
        for inherited in (self._producing, self._admin, self._asker):
            never_free(inherited)
        self._begin()

    def connect_ahead(self) -> None:
        """Connect the producer beside whatever else is being done; a failure shows at the first append."""
        self._connecting = threading.Thread(target=self._try_to_connect, name="asynq-kafka-connect", daemon=True)
        self._connecting.start()

    def _try_to_connect(self) -> None:
        try:
            self._current_producing()
        except AsynqError:
            logging.getLogger("asynq_compat").debug("kafka producer not connected ahead", exc_info=True)

    def append(self, at: At, frame: bytes) -> int:
        """Store a frame; return its offset."""
        producing = self._current_producing()
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
            raise self._no_answer(f"no answer to an append to {topic}", error, may_have_happened=True) from error

    def end(self, at: At) -> int:
        """Return the offset of the last record, -1 if there is none."""
        return self._offsets(at, "ends")[1] - 1

    def first(self, at: At) -> int:
        """Return the offset from which on nothing was deleted."""
        return self._offsets(at, "begins")[0]

    def _offsets(self, at: At, what: str) -> tuple[int, int]:
        topic, partition = at.topic, TopicPartition(*at)
        asker = self._current_asker(topic)
        try:
            if (
                topic not in self._asked
            ):  # Or the first answer takes half a second: nothing is connected to the topic's leader yet.
                asker.list_topics(topic, timeout=self._settings.request_timeout_s)
                self._asked.add(topic)
            offsets = asker.get_watermark_offsets(partition, timeout=self._settings.request_timeout_s)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise BrokerUnavailableError(right_needed(self._settings, topic, "describe")) from error
            raise self._no_answer(f"no answer to where {topic} {what}", error) from error
        if offsets is None:
            raise self._no_answer(f"no answer to where {topic} {what}", TimeoutError("time is up"))
        return offsets

    def truncate(self, at: At, before: int) -> None:
        """Delete the records below an offset."""
        self._current_admin().truncate(at, before)

    def topics(self) -> Sequence[str]:
        """Return the names of all topics of the cluster that this user may see."""
        return self._current_admin().topics()

    def ensure_topic(self, topic: str, partition_count: int) -> int:
        """Make the topic if it does not exist, check what stands there; return how many partitions it has."""
        return ensure_topic(self._current_admin(), self._settings, topic, partition_count)

    def fetcher(self, at: At) -> ConfluentFetcher:
        """Return a consumer of a partition, connected by its first use."""
        return ConfluentFetcher(self._settings, at)

    def close(self) -> None:
        """Close the connections, those that are being made too. Legal twice."""
        self._is_closed = True
        self._connector.close()
        if self._connecting is not None:
            self._connecting.join(self._settings.request_timeout_s)
        with self._making_producer:
            producing, self._producing = self._producing, None
        with self._lock:
            asker, self._asker = self._asker, None
            self._admin = None
        if producing is not None:
            producing.close(self._settings.request_timeout_s)
        if asker is not None:
            asker.close()

    def _current_producing(self) -> Producing:
        with self._making_producer:
            self._check_open()
            if self._producing is None:
                client = self._connector.connect(Producer, **self._producer_options())
                self._producing = Producing(client, self._settings.request_timeout_s)
            return self._producing

    def _producer_options(self) -> dict[str, Any]:
        timeout_ms = int(self._settings.request_timeout_s * 1000)
        return {
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 0,
            "message.timeout.ms": timeout_ms,
            "request.timeout.ms": max(timeout_ms // 2, 1),
            "message.max.bytes": MESSAGE_BYTES_MAX,
            "compression.type": self._settings.compression,
        }

    def _throw_away(self, producing: Producing) -> None:
        with self._making_producer:
            if self._producing is producing:
                self._producing = None
        producing.close(0)

    def _current_admin(self) -> ConfluentAdmin:
        with self._lock:
            self._check_open()
            if self._admin is None:
                client = self._connector.connect(AdminClient)
                self._admin = ConfluentAdmin(self._settings, self._connector, client)
            return self._admin

    def _current_asker(self, topic: str) -> Consumer:
        with self._lock:
            self._check_open()
            if self._asker is None:
                self._asker = self._connector.connect(Consumer, topic=topic, **{"group.id": "asynq_compat"})
            return self._asker

    def _check_open(self) -> None:
        if self._is_closed:
            raise ServerStateError(f"the journals of {self._settings.address} are closed; open them anew")

    def _no_answer(self, text: str, error: Exception, *, may_have_happened: bool = False) -> BrokerUnavailableError:
        cause = error.args[0].str() if isinstance(error, KafkaException) else str(error)
        return BrokerUnavailableError(
            f"{text} ({self._settings.address}): {cause[:200]}{self._connector.heard()}",
            may_have_happened=may_have_happened,
        )
