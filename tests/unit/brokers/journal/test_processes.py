"""Does a broker over a file serve forked children, and do brokers of one process share what they can?"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.errors import ServerStateError
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.journals.sqlite import SqliteJournalStore
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.consuming import SettleOutcome
from tests.unit.brokers.journal.workplace import enqueue, open_intake, settle, take, wait_until


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "journal.db")


@pytest.fixture
def broker(path: str) -> Iterator[Broker]:
    opened = open_journal(SqliteJournalStore(path))
    yield opened
    opened.close()


def in_child(work: object) -> int:
    """Run `work` in a forked child; return its exit code, 0 if it raised nothing."""
    assert callable(work)
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - a child must not run the parent's tests
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_forked_child_writes_under_a_name_of_its_own(broker: Broker) -> None:
    enqueue(broker, 3)
    intake = open_intake(broker, capacity=10)
    first = take(intake, 3)

    assert in_child(lambda: enqueue(broker, 4)) == 0
    enqueue(broker, 1)

    rest = take(intake, 5)
    assert settle(intake, first + rest) == {SettleOutcome.SETTLED}
    stats = broker.inspecting.queue_stats("default")
    assert stats is not None
    assert (stats.processed_total, stats.pending) == (8, 0)


def test_a_forked_child_cannot_use_its_parents_intake(broker: Broker) -> None:
    intake = open_intake(broker, capacity=1)

    def use() -> None:
        with pytest.raises(ServerStateError, match="another process"):
            intake.take(0.1)

    assert in_child(use) == 0
    enqueue(broker, 1)
    assert settle(intake, take(intake, 1)) == {SettleOutcome.SETTLED}


def test_a_forked_child_may_serve(broker: Broker) -> None:
    enqueue(broker, 5)
    assert broker.inspecting.queue_stats("default") is not None  # The parent has threads by now.

    def serve() -> None:
        intake = open_intake(broker, capacity=5)
        assert settle(intake, take(intake, 5)) == {SettleOutcome.SETTLED}
        broker.close()

    assert in_child(serve) == 0
    stats = broker.inspecting.queue_stats("default")
    assert stats is not None
    assert stats.processed_total == 5


def test_two_openers_of_a_file_share_its_queues(broker: Broker, path: str) -> None:
    other = open_journal(SqliteJournalStore(path))
    ids = enqueue(broker, 10)
    intake = open_intake(other, capacity=10)

    assert [lease.task_id for lease in take(intake, 10)] == ids
    other.close()


def test_brokers_in_memory_share_one_replica_until_the_last_is_closed() -> None:
    before = set(threading.enumerate())
    first = open_journal(MemoryJournalStore("shared"), shares=True)
    second = open_journal(MemoryJournalStore("shared"), shares=True)
    intake = open_intake(first, capacity=1)
    assert second.inspecting.queues() == []
    replicas = [thread.name for thread in started_since(before) if thread.name.startswith("asynq-replica")]
    assert sorted(replicas) == ["asynq-replica-control", "asynq-replica-queue.default"]

    second.close()
    second.close()
    enqueue(first, 1)
    assert settle(intake, take(intake, 1)) == {SettleOutcome.SETTLED}
    first.close()

    wait_until(lambda: not started_since(before), "every thread to end")


def started_since(before: set[threading.Thread]) -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one not in before and one.name.startswith("asynq-")]
