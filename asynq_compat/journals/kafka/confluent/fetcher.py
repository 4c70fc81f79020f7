"""How does confluent-kafka read a topic from a given offset on?

Contract: as `Fetcher`. A broker that goes away and comes back is waited for.
Not obvious: a consumer of librdkafka asks for the coordinator of its group although it has no use for one; a cluster that forbids the
group says so among the records, which is passed over. `consume(n, t)` would wait all of t unless n records came.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, cast

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, Message, TopicPartition

from asynq_compat.errors import AsynqError, BrokerUnavailableError, CorruptDataError
from asynq_compat.journals.journal import READ_BYTES_MAX, Entry, NotInJournalError, headers_of
from asynq_compat.journals.kafka.confluent.connecting import Connector, never_free
from asynq_compat.journals.kafka.driver import At
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.topics import MESSAGE_BYTES_MAX
from asynq_compat.journals.kafka.unreachable import right_needed
from asynq_compat.wire.bare import HEADERS_UNREADABLE, Headers

# How long a fetch waits at the broker; a seek has to wait for its answer.
_FETCH_WAIT_MS = 500
_QUEUED_KB = 16 * 1024
_OPTIONS = {
    "group.id": "asynq_compat",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "isolation.level": "read_uncommitted",
    "fetch.wait.max.ms": _FETCH_WAIT_MS,
    "fetch.max.bytes": READ_BYTES_MAX,
    "fetch.message.max.bytes": READ_BYTES_MAX,
    "queued.max.messages.kbytes": _QUEUED_KB,
    "fetch.queue.backoff.ms": 1,
    # A first batch comes whole, however large it is.
    "receive.message.max.bytes": 2 * MESSAGE_BYTES_MAX,
}


class ConfluentFetcher:
    """A consumer of one partition."""

    def __init__(self, settings: KafkaSettings, at: At) -> None:
        self._settings = settings
        self._topic, self._partition = at
        self._connector = Connector(settings)
        self._consumer: Consumer | None = None
        self._next = 0
        self._failure: AsynqError | None = None  # What stood behind the records that were given last.

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
            self._consumer = self._connector.connect(Consumer, topic=self._topic, **_OPTIONS)

    def seek(self, offset: int) -> None:
        """Go on at this offset."""
        self._next = offset
        self._failure = None
        self._current().assign([TopicPartition(self._topic, self._partition, offset)])

    def fetch(self, timeout_ms: int, max_count: int) -> list[Entry]:
        """Return records, after at most about `timeout_ms` if there are none."""
        if self._failure is not None:
            raise self._failure
        consumer = self._current()
        first = consumer.poll(timeout_ms / 1000)
        if first is None:
            return []
        entries: list[Entry] = []
        for message in [first, *(consumer.consume(max_count - 1, 0) if max_count > 1 else ())]:
            error = message.error()
            if error is None:
                entries.append(_entry(message))
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's names of its own errors begin so
                self._next = max(self._next, message.offset() or 0)
                continue
            elif failure := self._translated(error, entries):
                if not entries:
                    raise failure
                self._failure = failure
                break
            self._next = entries[-1].position + 1 if entries else self._next
        return entries

    def _translated(self, error: KafkaError, before: list[Entry]) -> AsynqError | None:
        """Return what an error among the records means; None for what passes by itself."""
        position = before[-1].position if before else self._next - 1
        code = error.code()
        if code in {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}:  # noqa: SLF001 - as above
            return NotInJournalError(self._topic, position)
        if code in {
            KafkaError._BAD_MSG,  # noqa: SLF001 - as above
            KafkaError._BAD_COMPRESSION,  # noqa: SLF001 - as above
            KafkaError._NOT_IMPLEMENTED,  # noqa: SLF001 - as above
            KafkaError.INVALID_MSG,
        }:
            return CorruptDataError(f"topic {self._topic} cannot be read behind position {position}: {error.str()}")
        if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return BrokerUnavailableError(right_needed(self._settings, self._topic, "read"))
        if code in {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}:  # noqa: SLF001 - as above
            return BrokerUnavailableError(
                f"topic {self._topic} cannot be read now ({self._settings.address}): {error.str()}{self._connector.heard()}"
            )
        return None

    def _current(self) -> Consumer:
        assert self._consumer is not None, "connect first"
        return self._consumer

    def set_aside(self) -> None:
        """Leave what a forked child inherited to its parent."""
        never_free(self._consumer)

    def close(self) -> None:
        """Close the connection. Nobody may be reading. Legal twice."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()


def _entry(message: Message[Any, Any]) -> Entry:
    kind, timestamp_ms = message.timestamp()
    return Entry(
        message.offset() or 0,
        timestamp_ms,
        kind == TIMESTAMP_LOG_APPEND_TIME,
        message.value() or b"",
        _headers(message),
    )


# For a name that is not UTF-8 confluent-kafka 2.16 sets an error and gives a list with a hole in it all the same: to touch it ends the process.
# Called like this Python always sees the error (SystemError); the bytecode of a method call does not look once it is hot.
_ask_headers: Callable[[Message[Any, Any]], object] = operator.methodcaller("headers")


def _headers(message: Message[Any, Any]) -> Headers:
    try:
        given = _ask_headers(message)
    except (SystemError, UnicodeDecodeError):
        return HEADERS_UNREADABLE
    return headers_of(cast("list[tuple[str, bytes | None]]", given)) if given else ()
