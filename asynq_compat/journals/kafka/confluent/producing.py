"""How does confluent-kafka append?

Contract: thread-safe; `append` returns when all in-sync replicas have the frame. Of those who append one hears the answers for all, and
leaves that to another when its own is there.
Not obvious: no thread stands between an answer and who waits for it; a listener would cost two changes of threads an append
(docs/adr/0020-one-append-after-another.md). What comes while nobody appends is looked at now and then, since nothing wakes a poll.
A producer sends the first record of a topic after half a second, unless it was asked about the topic before.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

_LOOK_EVERY_S = 1.0
# A poll is not woken when another thread, as the one that closes, has served what it waits for.
_SLICE_S = 0.1
_FATAL_IS_TOLD_S = 1.0


class _Answer:
    """What comes back for one record. Its thread waits for `news` where another one polls: it is answered, or it is its turn."""

    def __init__(self) -> None:
        self.is_here = self.has_turn = False
        self.news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.error: KafkaError | None = None
        self.offset = -1

    def __call__(self, error: KafkaError | None, message: Message[Any, Any]) -> None:
        self.error = error
        self.offset = message.offset() or 0
        self.is_here = True
        self.news.put(None)


class Producing:
    """One producer, and whoever hears its answers."""

    def __init__(self, client: Producer, timeout_s: float) -> None:
        self.client = client
        self._timeout_s = timeout_s
        self._known: set[str] = set()
        self._lock = threading.Lock()  # Guards the next two, and every `has_turn`.
        self._is_polled = False
        self._waiting: deque[_Answer] = deque()
        self._is_over = threading.Event()
        self._fatal: KafkaError | None = None
        self._looker = threading.Thread(target=self._look, name="asynq-kafka-answers", daemon=True)
        self._looker.start()

    def _look(self) -> None:
        """Hear what is told of an idle producer: why its connections fail."""
        while not self._is_over.wait(_LOOK_EVERY_S):
            self._hear(_Answer(), lambda: False, 0.0)

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
                self._hear(_Answer(), lambda: self._fatal is not None, _FATAL_IS_TOLD_S)
            if self._fatal is None:
                raise
            raise KafkaException(self._fatal) from error

    def _append(self, topic: str, partition: int, frame: bytes) -> int:
        if topic not in self._known:
            self.client.list_topics(topic, self._timeout_s)
            self._known.add(topic)
        answer = _Answer()
        self.client.produce(topic, frame, partition=partition, on_delivery=answer)
        self._hear(answer, lambda: answer.is_here, self._timeout_s + 1)
        if not answer.is_here:
            raise KafkaException(KafkaError(KafkaError._MSG_TIMED_OUT))  # noqa: SLF001 - the library's names of its own errors begin so
        if answer.error is not None:
            raise KafkaException(answer.error)
        return answer.offset

    def _hear(self, mine: _Answer, is_enough: Callable[[], bool], timeout_s: float) -> None:
        """Poll until it is enough, or wait while another thread polls."""
        deadline = time.monotonic() + timeout_s
        try:
            if not self._takes_turn(mine):
                with contextlib.suppress(queue.Empty):
                    mine.news.get(timeout=timeout_s)
            while mine.has_turn and not is_enough():
                left_s = deadline - time.monotonic()
                self._poll(min(max(left_s, 0.0), _SLICE_S))
                if left_s <= 0:
                    break
        finally:
            self._leave(mine)

    def _poll(self, timeout_s: float) -> None:
        try:
            self.client.poll(timeout_s)
        except KafkaException as error:  # What is fatal is told once; what waits fails behind it, by other names.
            self._fatal = error.args[0]

    def _takes_turn(self, mine: _Answer) -> bool:
        with self._lock:
            if self._is_polled:
                self._waiting.append(mine)
            else:
                self._is_polled = mine.has_turn = True
        return mine.has_turn

    def _leave(self, mine: _Answer) -> None:
        """Wait no longer, and give the turn to the next one who does."""
        with self._lock:
            if not mine.has_turn:
                if mine in self._waiting:
                    self._waiting.remove(mine)
                return
            while self._waiting:
                heir = self._waiting.popleft()
                if not heir.is_here:
                    heir.has_turn = True
                    heir.news.put(None)
                    return
            self._is_polled = False

    def close(self, timeout_s: float) -> None:
        """Give what is under way so much time, and end."""
        with contextlib.suppress(KafkaException):  # Fatal, and told by nobody yet.
            self.client.flush(timeout_s)
        self.client.purge()
        self._is_over.set()
        self._looker.join()  # Who waits for what was purged polls, and hears of it.
