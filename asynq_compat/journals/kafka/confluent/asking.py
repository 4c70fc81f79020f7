"""How is confluent-kafka asked where a topic begins and ends?

Contract: thread-safe. Who asks waits for the answer, the settings' request timeout at most.
Not obvious: nothing ends a question that is under way, and a client must not be closed below one: the last who asks closes it.
"""

from __future__ import annotations

import threading
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from asynq_compat.journals.kafka.confluent.connecting import Connector
from asynq_compat.journals.kafka.driver import At
from asynq_compat.journals.kafka.settings import KafkaSettings

# Of a topic that was made just now a broker may not know yet that it leads it.
_PASSING = {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE}
_PASSES_WITHIN_S = 5.0
_AGAIN_S = 0.02


class Asker:
    """A consumer that reads nothing, connected by its first question."""

    def __init__(self, connector: Connector, settings: KafkaSettings) -> None:
        self._connector = connector
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
                self._client = self._connector.connect(Consumer, topic=topic, **{"group.id": "asynq_compat"})
        client = self._client
        if topic not in self._asked:  # Or the first answer takes half a second: nothing is connected to its leader yet.
            client.list_topics(topic, timeout=self._timeout_s)
            self._asked.add(topic)
        deadline = time.monotonic() + min(_PASSES_WITHIN_S, self._timeout_s)
        while True:
            try:
                return client.get_watermark_offsets(TopicPartition(*at), timeout=self._timeout_s)
            except KafkaException as error:
                is_passing = error.args[0].code() in _PASSING
                if not is_passing or self._over.wait(_AGAIN_S) or time.monotonic() > deadline:
                    raise

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
