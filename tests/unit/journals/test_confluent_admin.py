"""Is a question asked again that librdkafka dropped together with its broker?"""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.kafka.confluent.admin import ConfluentAdmin
from asynq_compat.journals.kafka.confluent.connecting import Connector
from asynq_compat.journals.kafka.settings import KafkaSettings

DROPPED = KafkaError._DESTROY_BROKER


class Library:
    """A client that drops so many questions."""

    def __init__(self, failures: int, code: int = DROPPED) -> None:
        self.left = failures
        self._code = code

    def list_topics(self, timeout: float) -> SimpleNamespace:
        if self.left:
            self.left -= 1
            raise KafkaException(KafkaError(self._code))
        return SimpleNamespace(topics={"ours": None})


def admin_of(library: Library, timeout_s: float) -> ConfluentAdmin:
    settings = KafkaSettings(bootstrap=("127.0.0.1:1",), request_timeout_s=timeout_s)
    return ConfluentAdmin(settings, Connector(settings), cast("AdminClient", library))


def test_a_question_that_was_dropped_is_asked_again() -> None:
    assert admin_of(Library(2), 60.0).topics() == ["ours"]


@pytest.mark.parametrize(("code", "timeout_s"), [(DROPPED, 0.05), (KafkaError.UNKNOWN, 60.0)])
def test_it_is_not_asked_for_ever_nor_where_there_was_an_answer(code: int, timeout_s: float) -> None:
    library = Library(1_000, code)

    with pytest.raises(BrokerUnavailableError, match="no answer to which topics there are"):
        admin_of(library, timeout_s).topics()

    assert (library.left == 999) == (code != DROPPED)
