"""How much does a server write while nothing happens?"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from asynq_compat.brokers.journal.caretaker import DORMANT_RENEW_S, RENEW_S
from asynq_compat.brokers.journal.consuming import JournalConsuming, JournalIntake
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.ports.consuming import QueueOrder
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.wire import command
from asynq_compat.wire.frame import Frame, decode_frame
from tests.unit.brokers.journal.workplace import enqueue, memory_broker, take, wait_until

LOOK_S = 1.0


class Idler:
    """A server in two queues that looks after its sessions when the test says so."""

    def __init__(self, clock: VirtualClock) -> None:
        self.place = uuid.uuid4().hex
        self.partitions = Partitions(MemoryJournalStore(self.place, now_ms=clock.now_ms), clock, folds=True)
        self.consuming = JournalConsuming(self.partitions, idle_s=LOOK_S)
        intake = self.consuming.open_intake(QueueOrder(weights={"a": 1, "b": 1}), 2, "server")
        assert isinstance(intake, JournalIntake)
        self.intake = intake

    def looks(self) -> dict[str, int]:
        """Look once; how many frames went into each queue?"""
        before = {name: self.partitions.queue(name).partitions[0].journal.end() for name in "ab"}
        self.intake._caretaker.run_once()
        for name in "ab":
            writer = self.partitions.queue(name).partitions[0].writer
            wait_until(lambda writer=writer: not (writer._outbox or writer._is_sending), "the frames are written")  # type: ignore[misc]
        return {name: self.partitions.queue(name).partitions[0].journal.end() - before[name] for name in "ab"}

    def last_codes(self, queue: str) -> list[object]:
        journal = self.partitions.queue(queue).partitions[0].journal
        frame = decode_frame(journal.read(journal.end() - 1, wait_s=0).entries[-1].data)
        assert isinstance(frame, Frame)
        return [one[0] for one in frame.commands]


@pytest.fixture
def idler(clock: VirtualClock) -> Iterator[Idler]:
    one = Idler(clock)
    yield one
    one.consuming.close()
    one.partitions.close()


def test_an_idle_queue_costs_one_frame_within_8_seconds_and_no_tick(idler: Idler, clock: VirtualClock) -> None:
    idler.looks()
    for _ in range(3):
        clock.advance_s(RENEW_S - LOOK_S - 0.1)
        assert idler.looks() == {"a": 0, "b": 0}
        clock.advance_s(0.1)
        assert idler.looks() == {"a": 1, "b": 1}
        assert idler.last_codes("a") == idler.last_codes("b") == [command.SESSION]


def test_a_queue_without_credit_or_tasks_costs_one_frame_in_5_minutes(idler: Idler, clock: VirtualClock) -> None:
    client = memory_broker(idler.place, clock=clock)
    enqueue(client, 2, "a")
    leases = take(idler.intake, 2)
    idler.looks()
    seat = idler.intake._membership.seats["queue.b"]
    wait_until(lambda: seat.session.is_idle, "the other queue's credit has come back")
    in_b = 0
    for _ in range(int(DORMANT_RENEW_S / 5) - 1):
        clock.advance_s(5)
        idler.intake.extend(leases)
        in_b += idler.looks()["b"]
    assert in_b == 0

    clock.advance_s(5)
    assert idler.looks()["b"] == 1
    client.close()
