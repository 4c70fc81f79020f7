"""How does confluent-kafka append?

Contract: thread-safe; `append` returns when all in-sync replicas have the frame. One thread hears the answers for all who append.
Not obvious: a producer sends the first record of a topic after half a second, unless it was asked about the topic before.
"""

from __future__ import annotations

import threading
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

_LISTEN_S = 0.1  # Nothing wakes the listener of an idle producer when it shall end.


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
        self._listener = threading.Thread(target=self._listen, name="asynq-kafka-answers", daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        while not self._is_over.is_set():
            self.client.poll(_LISTEN_S)

    def append(self, topic: str, partition: int, frame: bytes) -> int:
        """Store a frame; return its offset.

        Raises:
            KafkaException: It was refused, or there was no answer in time (`_MSG_TIMED_OUT`).
            BufferError: The producer's buffer is full: nothing was sent.
        """
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
        self.client.flush(timeout_s)
        self.client.purge()
        self._is_over.set()
        self._listener.join()
