"""How does kafka-python read a topic from a given offset on?

Contract: one reading thread at a time. Never jumps: an offset that the topic does not hold is an error. A broker that goes away and
comes back is waited for.
Not obvious: kafka-python has no call that wakes a poll, so a wait goes in slices; the fetch itself stays with the broker through them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import kafka
import kafka.errors

from asynq_compat.errors import BrokerUnavailableError, CorruptDataError
from asynq_compat.journals.journal import READ_BYTES_MAX, Batch, Entry, NotInJournalError
from asynq_compat.journals.kafka.connecting_kafka_python import Connector
from asynq_compat.journals.kafka.driver_kafka_python import METADATA_THROTTLE_MS, PARTITION
from asynq_compat.journals.kafka.headers_kafka_python import install, read_headers
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.topics import MESSAGE_BYTES_MAX

# A slice costs about 1 ms of CPU, an interrupt waits for the end of one: short while records come, long when idle.
_SLICE_MS_MIN = 50
_SLICE_MS_MAX = 500
_FETCH_WAIT_MS = 5_000
_LOG_APPEND_TIME = 1
install()
_CODEC_PACKAGES = {"snappy": "python-snappy", "lz4": "lz4", "zstd": "zstandard"}


class KafkaPythonReader:
    """A consumer of one topic, connected by the first read.

    Args:
        settings: The cluster.
        topic: Its topic.
        end: Tells the offset of the topic's last record, on another connection.
    """

    def __init__(self, settings: KafkaSettings, topic: str, end: Callable[[], int]) -> None:
        self._end = end
        self._settings = settings
        self._topic = topic
        self._partition = kafka.TopicPartition(topic, PARTITION)
        self._connector = Connector(settings)
        self._consumer: Any = None
        self._held: list[Entry] = []  # Taken from the consumer but not yet given.
        self._given_upto: int | None = None  # What the last batch said.
        self._has_jumped = False  # Since the last fetch that gave something.
        self._next = 0  # The offset that the consumer fetches next.
        self._slice_ms = _SLICE_MS_MIN
        self._interrupted = threading.Event()

    def interrupt(self) -> None:
        """Let the waiting or the next read return, connecting or not."""
        self._interrupted.set()
        self._connector.give_up()

    def read(self, after: int, wait_s: float, max_count: int, max_bytes: int) -> Batch:
        """Return the records behind `after`."""
        deadline = time.monotonic() + wait_s
        try:
            self._stand_behind(after)
        except BrokerUnavailableError:
            if self._consumer is None and self._interrupted.is_set():
                self._interrupted.clear()
                return Batch([], after)
            raise
        while not self._held and not self._interrupted.is_set():
            left_ms = max(int((deadline - time.monotonic()) * 1000), 0)
            self._fetch(min(left_ms, self._slice_ms), max_count)
            self._slice_ms = _SLICE_MS_MIN if self._held else min(2 * self._slice_ms, _SLICE_MS_MAX)
            if left_ms == 0:
                break
        if not self._held and not self._interrupted.is_set() and (self._has_jumped or wait_s <= 0):
            self._fetch_what_is_there(max_count)
        self._interrupted.clear()
        given = self._take(max_count, max_bytes)
        self._given_upto = given[-1].position if self._held else self._next - 1
        return Batch(given, self._given_upto)

    def _fetch_what_is_there(self, max_count: int) -> None:
        """Give a first fetch the time it needs: records that stand there are given however short the wait."""
        deadline = time.monotonic() + self._settings.request_timeout_s
        end = self._end()
        while not self._held and self._next <= end and time.monotonic() < deadline:
            self._fetch(_SLICE_MS_MIN, max_count)
        self._has_jumped = False

    def _take(self, max_count: int, max_bytes: int) -> list[Entry]:
        size_bytes = count = 0
        for count, entry in enumerate(self._held, 1):
            size_bytes += len(entry.data)
            if size_bytes >= max_bytes or count == max_count:
                break
        given, self._held = self._held[:count], self._held[count:]
        return given

    def _stand_behind(self, after: int) -> None:
        if self._consumer is None:
            self._consumer = self._connector.connect(self._make_consumer).client
            # Private: the first poll would wait 100 ms for the throttle of metadata requests.
            self._consumer._cluster.config["retry_backoff_ms"] = METADATA_THROTTLE_MS  # noqa: SLF001 - docs/adr/0003
            self._consumer.assign([self._partition])
        if after != self._given_upto:
            self._held = []
            self._next = after + 1
            self._consumer.seek(self._partition, self._next)
            self._has_jumped = True

    @staticmethod
    def _make_consumer(**options: Any) -> Any:
        return kafka.KafkaConsumer(
            **{**options, "request_timeout_ms": options["request_timeout_ms"] + _FETCH_WAIT_MS},
            group_id=None,
            metrics_enabled=False,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_uncommitted",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            fetch_max_bytes=READ_BYTES_MAX,
            max_partition_fetch_bytes=READ_BYTES_MAX,
            # A first batch comes whole, however large it is.
            receive_message_max_bytes=2 * MESSAGE_BYTES_MAX,
        )

    def _fetch(self, timeout_ms: int, max_count: int) -> None:
        try:
            records = self._consumer.poll(timeout_ms=timeout_ms, max_records=max_count).get(self._partition, ())
        except kafka.errors.OffsetOutOfRangeError as error:
            raise NotInJournalError(self._topic, self._next - 1) from error
        except kafka.errors.UnsupportedCodecError as error:
            package = next(
                (package for codec, package in _CODEC_PACKAGES.items() if codec in str(error)), "its library"
            )
            raise CorruptDataError(
                f"the record at {self._next} of topic {self._topic} is compressed: {error}; pip install {package}"
            ) from error
        except (kafka.errors.CorruptRecordError, kafka.errors.LogTruncationError) as error:
            raise CorruptDataError(
                f"topic {self._topic} cannot be read behind position {self._next - 1}: {error}"
            ) from error
        except kafka.errors.KafkaError as error:
            cause = f"{type(error).__name__}: {error}"[:200]
            raise BrokerUnavailableError(
                f"topic {self._topic} cannot be read now ({self._settings.address}): {cause}"
            ) from error
        self._has_jumped = self._has_jumped and not records
        self._held = [
            Entry(
                record.offset,
                record.timestamp,
                record.timestamp_type == _LOG_APPEND_TIME,
                record.value or b"",
                read_headers(record.headers) if record.headers else (),
            )
            for record in records
        ]
        # Not the last record's offset + 1: control records take offsets too.
        self._next = self._consumer.position(self._partition)

    def close(self) -> None:
        """Close the connection. Nobody may be reading."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
