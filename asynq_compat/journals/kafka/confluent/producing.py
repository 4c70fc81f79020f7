"""How does confluent-kafka append?

Contract: thread-safe; `append` returns when all in-sync replicas have the frame. One thread hears the answers for all who append.
Not obvious: a producer sends the first record of a topic after half a second, unless it was asked about the topic before.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

_LISTEN_S = 0.1  # Nothing wakes the listener of an idle producer when it shall end.
_FATAL_IS_TOLD_S = 10 * _LISTEN_S


class _Answer:
    """What comes back for one record."""

    def __init__(self) -> None:
        self._is_here = threading.Event()
        self.error: KafkaError | None = None
        self.offset = -1

    def __call__(self, error: KafkaError | None, message: Message[Any, Any]) -> None:
        self.error = error
        self.offset = message.offset() or 0
        self._is_here.set()

    def wait(self, timeout_s: float) -> bool:
        return self._is_here.wait(timeout_s)


class Producing:
    """One producer, and the thread that hears its answers."""

    def __init__(self, client: Producer, timeout_s: float) -> None:
        self.client = client
        self._timeout_s = timeout_s
        self._known: set[str] = set()
        self._is_over = threading.Event()
        self._is_fatal = threading.Event()
        self._fatal: KafkaError | None = None
        self._listener = threading.Thread(target=self._listen, name="asynq-kafka-answers", daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        while not self._is_over.is_set():
            try:
                self.client.poll(_LISTEN_S)
            except KafkaException as error:  # What is fatal is told once; what waits fails behind it, by other names.
                self._fatal = error.args[0]
                self._is_fatal.set()

    def append(self, topic: str, partition: int, frame: bytes) -> int:
        """Store a frame; return its offset.

        Raises:
            KafkaException: It was refused, or there was no answer in time (`_MSG_TIMED_OUT`). A fatal one ends this producer.
            BufferError: The producer's buffer is full: nothing was sent.
        """
        try:
            return self._append(topic, partition, frame)
        except KafkaException as error:
            if error.args[0].code() == KafkaError._FATAL:  # noqa: SLF001 - as below
                self._is_fatal.wait(_FATAL_IS_TOLD_S)
            if self._fatal is None:
                raise
            raise KafkaException(self._fatal) from error

    def _append(self, topic: str, partition: int, frame: bytes) -> int:
        if topic not in self._known:
            self.client.list_topics(topic, self._timeout_s)
            self._known.add(topic)
        answer = _Answer()
        self.client.produce(topic, frame, partition=partition, on_delivery=answer)
        if not answer.wait(self._timeout_s + 1):
            raise KafkaException(KafkaError(KafkaError._MSG_TIMED_OUT))  # noqa: SLF001 - the library's names of its own errors begin so
        if answer.error is not None:
            raise KafkaException(answer.error)
        return answer.offset

    def close(self, timeout_s: float) -> None:
        """Give what is under way so much time, and end."""
        with contextlib.suppress(KafkaException):  # Fatal, and told by nobody yet.
            self.client.flush(timeout_s)
        self.client.purge()
        self._is_over.set()
        self._listener.join()
        self.client.poll(0)  # Who waits for what was purged hears of it.
