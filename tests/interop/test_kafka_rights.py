"""Do the rights that docs/operations.md lists suffice for each role, and is a missing one named?"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import asynq_compat as asynq
from asynq_compat.journals.journal import CONTROL
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import DRIVERS, KafkaSettings, Login
from tests.services.kafka_secure import USERS, SecureKafka
from tests.services.waiting import wait_until

# It takes a second and a quarter at most, for a broker that may not have heard of a new right. Who waited for one that may not have heard
# of the topic would hear another cause, and after as long as an answer may take.
TOLD_WITHIN_S, ANSWER_S = 30.0, 120
PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
ACTIONS = {
    "describe": "DESCRIBE",
    "describe_configs": "DESCRIBE_CONFIGS",
    "read": "READ",
    "write": "WRITE",
    "create": "CREATE",
    "alter_configs": "ALTER_CONFIGS",
    "delete": "DELETE",
}


def rights_of(role: str) -> list[str]:
    """Return what the page says that a role needs."""
    (row,) = re.findall(rf"^\| {role} \|.*$", PAGE.read_text(), re.MULTILINE)
    return [ACTIONS[name] for name in re.findall(r"`(\w+)`", row.split("|")[2])]


@pytest.fixture(params=DRIVERS)
def url_of(secure_kafka: SecureKafka, kafka_namespace: str, request: pytest.FixtureRequest) -> Callable[[str], str]:
    def url(user: str) -> str:
        return f"kafka://{user}:{USERS[user]}@{secure_kafka.sasl}/{kafka_namespace}?driver={request.param}&request_timeout={ANSWER_S}"

    return url


def enqueue(url: str) -> None:
    with asynq.Client(url) as client:
        client.enqueue(asynq.Task("email"))


def test_a_producer_and_a_worker_do_with_the_rights_of_their_roles(
    secure_kafka: SecureKafka, kafka_namespace: str, url_of: Callable[[str], str]
) -> None:
    enqueue(url_of("admin"))
    secure_kafka.allow("alice", kafka_namespace, *rights_of("producer"))
    secure_kafka.allow("bob", kafka_namespace, *rights_of("worker"))
    handled: list[str] = []
    mux = asynq.ServeMux()

    @mux.on("email")
    async def handle(ctx: asynq.Context, task: asynq.Task) -> None:
        handled.append(task.type)

    server = asynq.Server(url_of("bob"), asynq.Config(concurrency=2))
    server.start(mux)
    enqueue(url_of("alice"))
    wait_until(lambda: len(handled) == 2, "both tasks to be handled", 60)
    server.shutdown()
    with asynq.Inspector(url_of("bob")) as inspector:
        assert inspector.get_queue_info("default").processed_total == 2


def test_a_new_queue_is_made_by_who_may(
    secure_kafka: SecureKafka, kafka_namespace: str, url_of: Callable[[str], str]
) -> None:
    secure_kafka.allow("bob", kafka_namespace, *rights_of("producer"))

    with pytest.raises(
        asynq.BrokerUnavailableError, match=rf"user bob may not create topic {kafka_namespace}\."
    ) as caught:
        enqueue(url_of("bob"))

    assert USERS["bob"] not in str(caught.value)
    secure_kafka.allow("bob", kafka_namespace, *rights_of("first use of a queue"))
    enqueue(url_of("bob"))


def test_a_topic_without_any_right_is_named_with_the_command_that_gives_it(
    secure_kafka: SecureKafka, kafka_namespace: str, url_of: Callable[[str], str]
) -> None:
    enqueue(url_of("admin"))

    with pytest.raises(asynq.BrokerUnavailableError) as caught:
        enqueue(url_of("alice"))

    said = str(caught.value)
    assert f"user alice may not describe topic {kafka_namespace}." in said
    assert (
        f"rpk security acl create --allow-principal User:alice --operation describe --topic {kafka_namespace}." in said
    )
    assert f"kafka-acls.sh --bootstrap-server {secure_kafka.sasl} --add --allow-principal User:alice" in said
    assert USERS["alice"] not in said


@pytest.mark.parametrize(("given", "missing"), [("READ", "describe configs"), ("DESCRIBE_CONFIGS READ", "write")])
def test_each_right_that_is_missing_is_named(
    secure_kafka: SecureKafka, kafka_namespace: str, url_of: Callable[[str], str], given: str, missing: str
) -> None:
    enqueue(url_of("admin"))
    secure_kafka.allow("alice", f"another-{kafka_namespace}", "WRITE")
    secure_kafka.allow("alice", kafka_namespace, *given.split())
    began_at_s = time.monotonic()

    with pytest.raises(
        asynq.BrokerUnavailableError, match=f"user alice may not {missing} topic {kafka_namespace}"
    ) as caught:
        enqueue(url_of("alice"))

    assert not caught.value.may_have_happened
    assert time.monotonic() - began_at_s < TOLD_WITHIN_S


@pytest.mark.parametrize("driver", DRIVERS)
def test_who_may_write_no_topic_at_all_hears_the_same_and_goes_on_when_he_may(
    secure_kafka: SecureKafka, kafka_namespace: str, driver: str
) -> None:
    """Brokers give his idempotent producer no identity: it is dead before it has sent anything."""
    with asynq.Client(f"kafka://{secure_kafka.bootstrap}/{kafka_namespace}") as client:
        client.enqueue(asynq.Task("email"))
    secure_kafka.forbid("carol")  # Whatever the other driver's test allowed.
    secure_kafka.allow("carol", kafka_namespace, "DESCRIBE_CONFIGS", "READ")
    settings = KafkaSettings(
        bootstrap=(secure_kafka.sasl,),
        namespace=kafka_namespace,
        driver=driver,
        login=Login(username="carol", password=USERS["carol"]),
    )
    with contextlib.closing(KafkaJournalStore(settings)) as store:
        journal = store.open(CONTROL)
        end = journal.end()

        for _ in range(2):
            with pytest.raises(asynq.BrokerUnavailableError, match="user carol may not write topic") as caught:
                journal.append(b"refused")
            assert not caught.value.may_have_happened
        secure_kafka.allow("carol", kafka_namespace, "WRITE")

        assert journal.append(b"allowed") == end + 1
