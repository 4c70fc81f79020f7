"""Does every thread that appends hear its own answer, whoever polls?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from asynq_compat.journals.kafka.confluent.producing import Producing
from tests.services.waiting import wait_until

LONG_S = 30.0
Deliver = Callable[[KafkaError | None, Any], None]


class Message:
    """What librdkafka says of a record."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def offset(self) -> int:
        """Its place."""
        return self._offset


class Library:
    """librdkafka as far as we use it: answers come when the test gives them, to whoever polls."""

    def __init__(self) -> None:
        self.sent: list[Deliver] = []
        self.pollers: list[str] = []
        self._told = threading.Condition()
        self._events: list[Callable[[], None]] = []

    def list_topics(self, topic: str, timeout: float) -> None:
        """Know every topic."""

    def produce(self, topic: str, value: bytes, *, partition: int, on_delivery: Deliver) -> None:
        """Take a record."""
        self.sent.append(on_delivery)

    def answer(self, number: int, error: KafkaError | None = None) -> None:
        """Let the next poll deliver a record's answer."""
        with self._told:
            self._events.append(lambda: self.sent[number](error, Message(number)))
            self._told.notify_all()

    def fail_for_good(self) -> None:
        """Let the next poll raise."""

        def fatal() -> None:
            raise KafkaException(KafkaError(KafkaError.INVALID_PRODUCER_EPOCH))

        with self._told:
            self._events.append(fatal)
            self._told.notify_all()

    def poll(self, timeout: float) -> None:
        """Serve what is there, as soon as something is."""
        self.pollers.append(threading.current_thread().name)
        with self._told:
            self._told.wait_for(lambda: self._events, timeout)
            events, self._events = self._events, []
        for event in events:
            event()

    def flush(self, timeout: float) -> None:
        """Serve what is there."""
        self.poll(timeout)

    def purge(self) -> None:
        """Nothing is left."""


@pytest.fixture
def library() -> Library:
    return Library()


@pytest.fixture
def producing(library: Library) -> Iterator[Producing]:
    producing = Producing(cast("Producer", library), LONG_S)
    yield producing
    producing.close(0.0)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4, thread_name_prefix="caller") as threads:
        yield threads


def append(producing: Producing) -> int:
    return producing.append("topic", 0, b"frame")


def test_a_caller_alone_hears_its_own_answer(
    library: Library, producing: Producing, threads: ThreadPoolExecutor
) -> None:
    call = threads.submit(append, producing)
    wait_until(lambda: library.sent, "a record")
    wait_until(lambda: any(name.startswith("caller") for name in library.pollers), "a poll of the caller's own")
    library.answer(0)
    assert call.result(LONG_S) == 0


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_each_hears_its_own_in_whatever_order(
    library: Library, producing: Producing, threads: ThreadPoolExecutor, order: tuple[int, ...]
) -> None:
    calls = []
    for number in range(3):
        calls.append(threads.submit(append, producing))
        wait_until(lambda number=number: len(library.sent) == number + 1, "a record")  # type: ignore[misc]
    wait_until(lambda: len(producing._waiting) == 2, "two who wait")
    for number in order:
        library.answer(number)
        assert calls[number].result(LONG_S) == number
    wait_until(lambda: not producing._is_polled, "nobody polls")


def test_a_refusal_is_the_appends_own(library: Library, producing: Producing, threads: ThreadPoolExecutor) -> None:
    calls = [threads.submit(append, producing)]
    wait_until(lambda: len(library.sent) == 1, "records")
    calls.append(threads.submit(append, producing))
    wait_until(lambda: len(library.sent) == 2, "records")
    library.answer(1, KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    with pytest.raises(KafkaException):
        calls[1].result(LONG_S)
    library.answer(0)
    assert calls[0].result(LONG_S) == 0


def test_a_caller_whose_time_is_up_leaves_the_others_one_who_polls(
    library: Library, threads: ThreadPoolExecutor
) -> None:
    producing = Producing(cast("Producer", library), -0.9)  # A tenth of a second, and every slice of it counts.
    first = threads.submit(append, producing)
    with pytest.raises(KafkaException):
        first.result(LONG_S)
    producing._timeout_s = LONG_S
    second = threads.submit(append, producing)
    wait_until(lambda: len(library.sent) == 2, "records")
    library.answer(1)
    assert second.result(LONG_S) == 1
    producing.close(0.0)


def test_what_is_fatal_is_what_an_append_fails_of(
    library: Library, producing: Producing, threads: ThreadPoolExecutor
) -> None:
    call = threads.submit(append, producing)
    wait_until(lambda: library.sent, "a record")
    library.fail_for_good()
    wait_until(lambda: producing._fatal is not None, "what is fatal")
    library.answer(0, KafkaError(KafkaError._PURGE_QUEUE))
    with pytest.raises(KafkaException) as failure:
        call.result(LONG_S)
    assert failure.value.args[0].code() == KafkaError.INVALID_PRODUCER_EPOCH


def test_what_another_thread_has_served_is_noticed(
    library: Library, producing: Producing, threads: ThreadPoolExecutor
) -> None:
    """As the one that closes does."""
    call = threads.submit(append, producing)
    wait_until(lambda: library.pollers, "a poll")
    library.sent[0](None, cast("Any", Message(7)))
    assert call.result(LONG_S) == 7


def test_an_idle_producer_s_events_are_heard(library: Library, producing: Producing) -> None:
    library.fail_for_good()
    wait_until(lambda: producing._fatal is not None, "what is fatal")
