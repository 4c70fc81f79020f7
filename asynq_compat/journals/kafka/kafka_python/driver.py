"""How does kafka-python append to topics, make them and look after their ends?

Contract: thread-safe. kafka-python's errors are translated here, in its connector and in its reader. Every wait has a limit.
Not obvious: an idempotent producer of kafka-python is dead after its first failed batch (later sends never complete), so it is thrown
away then; a long poll blocks its connection, so `end` has a client of its own; two private attributes are set
(docs/adr/0003-kafka-python-private-attributes.md).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import kafka
import kafka.codec
import kafka.errors

from asynq_compat.errors import (
    BrokerUnavailableError,
    InvalidArgumentError,
    PayloadTooLargeError,
    ServerStateError,
    UnsupportedByBroker,
)
from asynq_compat.journals.examining import Condition
from asynq_compat.journals.journal import FRAME_BYTES_MAX, MissingRightError
from asynq_compat.journals.kafka.driver import At
from asynq_compat.journals.kafka.ensuring import ensure_topics, examine_topics
from asynq_compat.journals.kafka.held import Connections, Held
from asynq_compat.journals.kafka.kafka_python.admin import AdminClient, KafkaPythonAdmin
from asynq_compat.journals.kafka.kafka_python.connecting import METADATA_THROTTLE_MS, Connected, Connector
from asynq_compat.journals.kafka.kafka_python.fetcher import KafkaPythonFetcher
from asynq_compat.journals.kafka.kafka_python.patience import LOOK_AFTER_S, Patience, cause_of
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.shared import Shared
from asynq_compat.journals.kafka.topics import MESSAGE_BYTES_MAX
from asynq_compat.journals.kafka.unreachable import codec_missing, frame_too_large, right_needed, too_old

# What a producer may take to send what is under way when all is closed, and the thread of one that is broken off to end.
_FLUSH_S, _END_S = 0.4, 1.0
# Requests of one client at once: it refuses those behind the fifth on a connection, and sends some of its own.
_AT_ONCE_MAX = 3
# Said in a text alone, to who may write no topic at all, instead of an identity for the producer.
_NO_IDENTITY = kafka.errors.ClusterAuthorizationFailedError.__name__
_set_aside: list[object] = []


class KafkaPythonDriver:
    """The connections of one process to one cluster, but those that read."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._timeout_ms = int(settings.request_timeout_s * 1000)
        self._begin()

    def _begin(self) -> None:
        self._connector = Connector(self._settings)
        self._producer = Held(self._make_producer, _end_producer, self._closed)
        self._admin = Held(lambda: self._connector.connect(AdminClient), _end, self._closed)
        self._asker = Held(lambda: self._connector.connect(_make_asker), _end, self._closed)
        self._connections = Connections(self._connector.close, self._producer, self._admin, self._asker)
        self._administering = threading.BoundedSemaphore(_AT_ONCE_MAX)
        self._asking = threading.BoundedSemaphore(_AT_ONCE_MAX)
        self._ends = Shared(partial(self._offsets, is_end=True))
        self._firsts = Shared(partial(self._offsets, is_end=False))
        self._patience = Patience(self._settings, self.topics)

    def after_fork(self) -> None:
        """Start anew in a forked child; what was inherited is its parent's."""
        _set_aside.extend(self._connections.set_aside())
        self._begin()

    def connect_ahead(self) -> None:
        """Connect the producer beside whatever else is being done; a failure shows at the first append."""
        self._connections.connect_ahead()

    def append(self, at: At, frame: bytes) -> int:
        """Store a frame; return its offset."""
        producer = self._producer.get()
        topic = at.topic
        send = partial(producer.client.send, topic, value=frame, partition=at.partition)
        try:
            future = self._patience.wait([topic], lambda _: send())
        except kafka.errors.KafkaError as error:  # It knows no leader for the topic: nothing was sent.
            raise self._no_answer(f"no broker takes an append to {topic}", error) from error
        try:
            return int(self._patience.wait([topic], future.get, is_over=lambda: future.is_done, grace_s=1.0).offset)
        except BrokerUnavailableError:  # The topic is gone.
            self._throw_away(producer)
            raise
        except kafka.errors.MessageSizeTooLargeError as error:
            self._throw_away(producer)
            raise PayloadTooLargeError(
                frame_too_large(topic, len(frame)), size_bytes=len(frame), size_bytes_max=FRAME_BYTES_MAX
            ) from error
        except kafka.errors.KafkaError as error:
            self._throw_away(producer)
            if isinstance(error, kafka.errors.AuthorizationError) or _NO_IDENTITY in str(error):
                raise MissingRightError(right_needed(self._settings, topic, "write")) from error
            text = f"no answer to an append to {topic}"
            raise self._no_answer(text, error, may_have_happened=True) from error

    def end(self, at: At) -> int:
        """Return the offset of the last record, -1 if there is none."""
        return self._ends.ask(at) - 1

    def first(self, at: At) -> int:
        """Return the offset from which on nothing was deleted."""
        return self._firsts.ask(at)

    def _offsets(self, ats: Sequence[At], *, is_end: bool) -> dict[At, int]:
        asker = self._asker.get().client
        ask = asker.end_offsets if is_end else asker.beginning_offsets
        partitions = {kafka.TopicPartition(*at): at for at in ats}
        try:
            with self._until_closed(self._asking):
                offsets = self._patience.wait(
                    {at.topic for at in ats}, lambda wait_s: self._answered(partial(ask, list(partitions)), wait_s)
                )
            return {at: int(offsets[partition]) for partition, at in partitions.items()}
        except kafka.errors.TopicAuthorizationFailedError as error:
            raise BrokerUnavailableError(right_needed(self._settings, ats[0].topic, "describe")) from error
        except kafka.errors.KafkaError as error:
            what = f"{ats[0].topic} {'ends' if is_end else 'begins'}"
            raise self._no_answer(f"no answer to where {what}", error) from error

    @staticmethod
    def _answered(ask: Callable[..., dict[Any, int]], wait_s: float) -> dict[Any, int]:
        """Ask until the library knows all topics: beside one that it knows it leaves out the others, and asks for them meanwhile."""
        deadline = time.monotonic() + wait_s
        pause = threading.Event()
        while True:
            try:
                return ask(timeout_ms=int(wait_s * 1000))
            except KeyError as error:
                if time.monotonic() > deadline:
                    raise kafka.errors.UnknownTopicOrPartitionError(*error.args) from error
                pause.wait(METADATA_THROTTLE_MS / 1000)

    def truncate(self, at: At, before: int) -> None:
        """Delete the records below an offset."""
        with self._until_closed(self._administering):
            self._current_admin().truncate(at, before)

    def topics(self) -> Sequence[str]:
        """Return the names of all topics of the cluster that this user may see."""
        with self._until_closed(self._administering):
            return self._current_admin().topics()

    def ensure_topics(self, wanted: Mapping[str, int]) -> Mapping[str, int]:
        """Make the topics that do not exist, check what stands there; return how many partitions each has."""
        with self._until_closed(self._administering):
            return ensure_topics(self._current_admin(), self._settings, wanted)

    def examine_topics(self, topics: Sequence[str]) -> Sequence[Condition]:
        """Return how topics are that exist; none is made or changed."""
        with self._until_closed(self._administering):
            return examine_topics(self._current_admin(), self._settings, topics)

    def fetcher(self, at: At) -> KafkaPythonFetcher:
        """Return a consumer of a partition, connected by its first use."""
        return KafkaPythonFetcher(self._settings, at)

    def close(self) -> None:
        """Close the connections, those that are being made too. Legal twice."""
        self._connections.close()

    def _throw_away(self, producer: Connected) -> None:
        self._producer.forget(producer)
        _end_producer(producer, 0)

    def _make_producer(self) -> Connected:
        try:
            producer = self._connector.connect(self._construct_producer)
        except (
            kafka.errors.KafkaConfigurationError
        ) as error:  # No option of ours is wrong where brokers are new enough.
            raise UnsupportedByBroker(too_old(self._settings, str(error))) from error
        # Private: the first send would wait 100 ms for the throttle of metadata requests.
        producer.client._metadata.config["retry_backoff_ms"] = METADATA_THROTTLE_MS  # noqa: SLF001 - docs/adr/0003
        # Private: at the interpreter's end it would wait for a broker that does not answer, and print a traceback.
        producer.client._unregister_cleanup()  # noqa: SLF001 - docs/adr/0003
        return producer

    def _construct_producer(self, **options: Any) -> Any:
        if self._settings.compression != "none" and not getattr(kafka.codec, f"has_{self._settings.compression}")():
            raise InvalidArgumentError(codec_missing(self._settings.compression))
        return kafka.KafkaProducer(
            **{**options, "request_timeout_ms": max(self._timeout_ms // 2, 1)},
            acks="all",
            enable_idempotence=True,
            delivery_timeout_ms=self._timeout_ms,
            max_block_ms=min(self._timeout_ms, int(LOOK_AFTER_S * 1000)),
            max_request_size=MESSAGE_BYTES_MAX,
            compression_type=None if self._settings.compression == "none" else self._settings.compression,
            metrics_enabled=False,
        )

    def _current_admin(self) -> KafkaPythonAdmin:
        return KafkaPythonAdmin(self._settings, self._connector, self._admin.get().client)

    @contextlib.contextmanager
    def _until_closed(self, turns: threading.BoundedSemaphore) -> Iterator[None]:
        try:
            with turns:
                yield
        except RuntimeError as error:  # What the library says of a client that was closed meanwhile.
            raise (self._closed() if self._admin.is_closed else error) from error

    def _closed(self) -> ServerStateError:
        return ServerStateError(f"the journals of {self._settings.address} are closed; open them anew")

    def _no_answer(self, text: str, error: Exception, *, may_have_happened: bool = False) -> BrokerUnavailableError:
        cause = cause_of(self._settings, error)
        return BrokerUnavailableError(
            f"{text} ({self._settings.address}): {cause}{self._connector.heard()}", may_have_happened=may_have_happened
        )


def _make_asker(**options: Any) -> Any:
    return kafka.KafkaConsumer(**options, group_id=None, fetch_max_wait_ms=1, metrics_enabled=False)


def _end(connected: Connected) -> None:
    """Close a client; who waits for an answer there hears that there will be none."""
    connected.client.close()


def _end_producer(producer: Connected, timeout_s: float = _FLUSH_S) -> None:
    """Close a producer, whether or not all that it was given was answered."""
    with contextlib.suppress(kafka.errors.KafkaTimeoutError):
        producer.client.close(timeout=timeout_s)
    # It may wait for a broker that does not answer: to connect, for its identity, for what was sent.
    producer.client._sender.force_close()  # noqa: SLF001 - docs/adr/0003
    producer.break_off()
    producer.network.wait_until_closed(_END_S)
