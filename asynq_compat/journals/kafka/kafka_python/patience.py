"""How long does kafka-python wait for an answer, and what is found when none comes?

Contract: a question is asked again until the settings' request timeout is over. While it waits, somebody looks whether the topic is still
there: of one that was deleted the library says nothing, it waits for it to come back.
Not obvious: each wait is twice as long as the one before, so that brokers that are slow are heard, too. Nobody looks when too little time is
left for a look at brokers that are away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import kafka.errors

from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.unreachable import in_plain_words, topic_gone

# The first look whether the topic is still there.
LOOK_AFTER_S = 3.0
_WAITS = (kafka.errors.KafkaTimeoutError, kafka.errors.UnknownTopicOrPartitionError)
# What the library says when it has heard nothing.
_SILENCE = (
    kafka.errors.KafkaTimeoutError,
    kafka.errors.KafkaConnectionError,
    kafka.errors.NodeNotReadyError,
    kafka.errors.RequestTimedOutError,
)
_A = TypeVar("_A")


class Patience:
    """Waits for answers about topics.

    Args:
        topics: Says which topics there are.
    """

    def __init__(self, settings: KafkaSettings, topics: Callable[[], Sequence[str]]) -> None:
        self._settings = settings
        self._topics = topics

    def wait(
        self,
        names: Iterable[str],
        ask: Callable[[float], _A],
        *,
        is_over: Callable[[], bool] = lambda: False,
        grace_s: float = 0.0,
    ) -> _A:
        """Return what `ask` returns; it is given the seconds that it may wait, and asked again until `is_over`, or the time is over.

        Raises:
            BrokerUnavailableError: One of these topics is not there any more.
            KafkaError: As `ask` does at the end.
        """
        deadline = time.monotonic() + self._settings.request_timeout_s + grace_s
        slice_s = LOOK_AFTER_S
        while True:
            left_s = deadline - time.monotonic()
            try:
                return ask(max(min(slice_s, left_s), 0.001))
            except _WAITS:
                if is_over() or left_s <= slice_s:
                    raise
            if deadline - time.monotonic() > self._settings.connects_within_s:
                self._look(names)
            slice_s *= 2

    def _look(self, names: Iterable[str]) -> None:
        try:
            there = set(self._topics())
        except BrokerUnavailableError:
            return
        for name in names:
            if name not in there:
                raise BrokerUnavailableError(topic_gone(self._settings, name))


def cause_of(settings: KafkaSettings, error: Exception) -> str:
    """Return in plain words what the library says with an error."""
    is_silence = isinstance(error, _SILENCE)
    return in_plain_words(settings, type(error).__name__, str(error), is_silence=is_silence)
