"""How is confluent-kafka asked where a topic begins and ends?

Contract: thread-safe. Who asks waits for the answer, the settings' request timeout at most.
Not obvious: nothing ends a question that is under way, and a client must not be closed below one: the last who asks closes it. A broker that
the others, or its own controller, have not heard of for a while is no broker of the cluster for that while: librdkafka then knows no partition of
its topics, which is what it says of a deleted topic, too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from asynq_compat.journals.kafka.confluent.connecting import Connector
from asynq_compat.journals.kafka.driver import At
from asynq_compat.journals.kafka.settings import KafkaSettings

_OPTIONS = {
    "group.id": "asynq_compat",
    # As the journals are read: else a topic ended before the first record of a transaction that is not over.
    "isolation.level": "read_uncommitted",
}
# The first is a broker's word, the others are what librdkafka has found.
GONE = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - the library's names of its own errors begin so
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - as above
}
# Of a topic that was made just now a broker may not know yet that it leads it.
_PASSING = {
    *GONE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError._DESTROY_BROKER,  # noqa: SLF001 - as above
}
_LOOK_AFTER_S = 3.0
_AGAIN_S, _AGAIN_S_MAX = 0.02, 0.5


class Asker:
    """A consumer that reads nothing, connected by its first question.

    Args:
        connector: Connects it.
        settings: Of the cluster.
        is_there: Says whether the cluster has a topic, as far as is known.
    """

    def __init__(self, connector: Connector, settings: KafkaSettings, is_there: Callable[[str], bool]) -> None:
        self._connector = connector
        self._is_there = is_there
        self._timeout_s = settings.request_timeout_s
        self._connecting = threading.Lock()  # Held while the client is made.
        self._client: Consumer | None = None
        self._asked: set[str] = set()  # Topics whose offsets were asked for.
        self._over = threading.Event()
        self._lock = threading.Lock()  # Guards the next one, and the end of the client.
        self._asking_count = 0

    def offsets(self, at: At) -> tuple[int, int] | None:
        """Return the first offset that is there, and the one behind the last; None if there was no answer.

        Raises:
            KafkaException: It is not told.
            BrokerUnavailableError: No broker answered when it connected.
        """
        with self._lock:
            self._asking_count += 1
        try:
            return self._offsets(at)
        finally:
            with self._lock:
                self._asking_count -= 1
            self._end_if_over()

    def _offsets(self, at: At) -> tuple[int, int] | None:
        topic = at.topic
        with self._connecting:
            if self._client is None:
                self._client = self._connector.connect(Consumer, topic=topic, **_OPTIONS)
        client = self._client
        began_at_s, pause_s = time.monotonic(), _AGAIN_S
        while True:
            try:
                if topic not in self._asked:
                    # Or the first answer takes half a second: nothing is connected to its leader yet.
                    client.list_topics(topic, timeout=self._timeout_s)
                    self._asked.add(topic)
                return client.get_watermark_offsets(TopicPartition(*at), timeout=self._timeout_s)
            except KafkaException as error:
                self._asked.discard(topic)
                waited_s = time.monotonic() - began_at_s
                if self._is_final(error.args[0].code(), topic, waited_s) or self._over.wait(pause_s):
                    raise
                pause_s = min(2 * pause_s, _AGAIN_S_MAX)

    def _is_final(self, code: int, topic: str, waited_s: float) -> bool:
        if code not in _PASSING or waited_s > self._timeout_s:
            return True
        return code in GONE and waited_s > _LOOK_AFTER_S and not self._is_there(topic)

    def close(self) -> None:
        """Close the connection, after the questions that are under way. Nobody asks any more."""
        self._over.set()
        self._end_if_over()

    def _end_if_over(self) -> None:
        with self._lock:
            is_over = self._over.is_set() and self._asking_count == 0
            client, self._client = self._client, None if is_over else self._client
        if is_over and client is not None:
            client.close()
