"""Is what a cluster refuses told as what it is?"""

from __future__ import annotations

import pytest

from asynq_compat.errors import AsynqError, InvalidArgumentError
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.unreachable import BrokersStartingError, too_few_brokers

SETTINGS = KafkaSettings(bootstrap=("b1:9092",), replication_factor=3)


@pytest.mark.parametrize(
    ("said", "kind", "told"),
    [
        # Kafka's words.
        (
            "Unable to replicate the partition 3 time(s): All brokers are currently fenced.",
            BrokersStartingError,
            "no topic can be made yet at",
        ),
        (
            "The target replication factor of 3 cannot be reached because only 1 broker(s) are registered.",
            InvalidArgumentError,
            "ask for at most as many as there are brokers",
        ),
    ],
)
def test_brokers_that_are_starting_are_an_outage_and_too_few_are_a_mistake(
    said: str, kind: type[AsynqError], told: str
) -> None:
    error = too_few_brokers(SETTINGS, said)

    assert type(error) is kind
    assert told in str(error)
    assert said in str(error)
