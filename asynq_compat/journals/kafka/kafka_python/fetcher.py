"""How does kafka-python read a topic from a given offset on?

Contract: as `Fetcher`. A broker that goes away and comes back is waited for.
"""

from __future__ import annotations

from typing import Any

import kafka
import kafka.errors

from asynq_compat.errors import BrokerUnavailableError, CorruptDataError
from asynq_compat.journals.journal import READ_BYTES_MAX, Entry, NotInJournalError
from asynq_compat.journals.kafka.driver import At
from asynq_compat.journals.kafka.kafka_python.connecting import METADATA_THROTTLE_MS, Connector
from asynq_compat.journals.kafka.kafka_python.headers import install, read_headers
from asynq_compat.journals.kafka.settings import CODECS, KafkaSettings
from asynq_compat.journals.kafka.topics import MESSAGE_BYTES_MAX
from asynq_compat.journals.kafka.unreachable import codec_missing

_FETCH_WAIT_MS = 5_000
_LOG_APPEND_TIME = 1
install()


_set_aside: list[Any] = []


class KafkaPythonFetcher:
    """A consumer of one partition."""

    def __init__(self, settings: KafkaSettings, at: At) -> None:
        self._settings = settings
        self._topic = at.topic
        self._partition = kafka.TopicPartition(*at)
        self._connector = Connector(settings)
        self._consumer: Any = None
        self._next = 0

    @property
    def next(self) -> int:
        """The offset that is fetched next."""
        return self._next

    def give_up(self) -> None:
        """Let a connection that is being made fail now."""
        self._connector.give_up()

    def connect(self) -> None:
        """Connect, if that has not been done."""
        if self._consumer is None:
            self._consumer = self._connector.connect(self._make_consumer, is_driven=True).client
            # Private: the first poll would wait 100 ms for the throttle of metadata requests.
            self._consumer._cluster.config["retry_backoff_ms"] = METADATA_THROTTLE_MS  # noqa: SLF001 - docs/adr/0003
            self._consumer.assign([self._partition])

    def seek(self, offset: int) -> None:
        """Go on at this offset."""
        self._next = offset
        self._consumer.seek(self._partition, offset)

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

    def fetch(self, timeout_ms: int, max_count: int) -> list[Entry]:
        """Return records, after at most about `timeout_ms` if there are none."""
        try:
            records = self._consumer.poll(timeout_ms=timeout_ms, max_records=max_count).get(self._partition, ())
            self._next = self._consumer.position(self._partition)  # It, too, tells of a log that lost its tail.
        except (kafka.errors.OffsetOutOfRangeError, kafka.errors.LogTruncationError) as error:
            raise NotInJournalError(self._topic, self._next - 1) from error
        except kafka.errors.UnsupportedCodecError as error:
            codec = next((codec for codec in CODECS if codec in str(error).lower()), "its codec")
            raise CorruptDataError(
                f"the record at {self._next} of topic {self._topic} cannot be read: {codec_missing(codec)}"
            ) from error
        except kafka.errors.CorruptRecordError as error:
            raise CorruptDataError(
                f"topic {self._topic} cannot be read behind position {self._next - 1}: {error}"
            ) from error
        except kafka.errors.KafkaError as error:
            cause = f"{type(error).__name__}: {error}"[:200]
            raise BrokerUnavailableError(
                f"topic {self._topic} cannot be read now ({self._settings.address}): {cause}"
            ) from error
        return [
            Entry(
                record.offset,
                record.timestamp,
                record.timestamp_type == _LOG_APPEND_TIME,
                record.value or b"",
                read_headers(record.headers) if record.headers else (),
            )
            for record in records
        ]

    def set_aside(self) -> None:
        """Leave what a forked child inherited to its parent."""
        _set_aside.append(self._consumer)

    def close(self) -> None:
        """Close the connection. Nobody may be reading."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
