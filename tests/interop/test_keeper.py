"""Does a queue survive keepers that are killed between chunk, marker and cut, and does its journal stay short?"""

from __future__ import annotations

from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient

from asynq_compat.brokers.journal.keeping.checkpointing import CHUNK, CONFIRMED, MARKED, READ_BACK
from asynq_compat.brokers.journal.keeping.cutting import JOURNAL_CUT, STATE_CUT
from asynq_compat.journals.journal import CONTROL, queue_journal_name, state_journal_name
from tests.interop.keeper_story import SOON, broker_at, keep, store_of
from tests.services.kafka import KafkaCluster
from tests.services.waiting import wait_until
from tests.unit.brokers.journal.workplace import enqueue, open_intake, settle, take

_NAME = queue_journal_name("default")
_PATIENCE_S = 60.0


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/queue.db"
    cluster = request.getfixturevalue("kafka_cluster")
    return f"kafka://{cluster.bootstrap}/{request.getfixturevalue('kafka_namespace')}"


def test_keepers_may_be_killed_behind_any_step(url: str) -> None:
    processed = left = 0
    for step in (CHUNK, READ_BACK, MARKED, CONFIRMED, JOURNAL_CUT, STATE_CUT):
        with broker_at(url) as broker:
            enqueue(broker, 20)
            intake = open_intake(broker, capacity=5)
            settle(intake, take(intake, 5))
            intake.stop()
            intake.close()
        processed, left = processed + 5, left + 15
        if step in (JOURNAL_CUT, STATE_CUT):
            keep(url)

        assert keep(url, step) == -9, f"it was to be killed behind {step}"

        with broker_at(url) as broker:
            stats = broker.inspecting.queue_stats("default")
            assert stats is not None, step
            assert (stats.pending, stats.processed_total) == (left, processed), step
            assert list(broker.inspecting.queues()) == ["default"], step

    assert keep(url) == 0
    store = store_of(url)
    assert min(store.open(name).first() for name in (_NAME, CONTROL, state_journal_name(_NAME))) > 0
    store.close()
    with broker_at(url) as broker:
        intake = open_intake(broker, capacity=left)
        assert {outcome.value for outcome in settle(intake, take(intake, left))} == {"settled"}


@pytest.mark.kafka
def test_a_topic_that_was_made_anew_is_noticed_by_who_follows_it(
    kafka_cluster: KafkaCluster, kafka_namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when it is longer than it was by the time that anybody looks."""
    url = f"kafka://{kafka_cluster.bootstrap}/{kafka_namespace}"
    with broker_at(url) as follower:
        for _ in range(5):
            enqueue(follower)
        stats = follower.inspecting.queue_stats("default")
        assert stats is not None
        assert stats.pending == 5

        admin = KafkaAdminClient(bootstrap_servers=[kafka_cluster.bootstrap])
        admin.delete_topics([f"{kafka_namespace}.queue.default"])
        wait_until(
            lambda: f"{kafka_namespace}.queue.default" not in admin.list_topics(), "the topic to be gone", _PATIENCE_S
        )
        admin.close()
        with broker_at(url) as other:
            for _ in range(40):
                enqueue(other)

        wait_until(lambda: "is not the journal it was" in caplog.text, "it to be noticed", timeout_s=_PATIENCE_S)
        stats = follower.inspecting.queue_stats("default")
        assert stats is not None
        assert stats.pending == 40


def test_a_journal_stays_short_while_tasks_come_and_go(url: str) -> None:
    store = store_of(url)
    journal, state = store.open(_NAME), store.open(state_journal_name(_NAME))
    with broker_at(url, SOON) as broker:
        intake = open_intake(broker, capacity=20)
        enqueue(broker)
        (held,) = take(intake, 1)

        def has_cut_twice() -> bool:
            enqueue(broker, 10)
            assert {outcome.value for outcome in settle(intake, take(intake, 10))} == {"settled"}
            return journal.first() > 100 and state.first() > 0

        wait_until(has_cut_twice, "the journal to be cut twice", timeout_s=_PATIENCE_S)
        stats = broker.inspecting.queue_stats("default")
        with broker_at(url) as newcomer:
            found = newcomer.inspecting.queue_stats("default")
        assert stats is not None
        assert found is not None
        assert (found.active, found.processed_total) == (1, stats.processed_total)
        assert {outcome.value for outcome in settle(intake, [held])} == {"settled"}
    store.close()
