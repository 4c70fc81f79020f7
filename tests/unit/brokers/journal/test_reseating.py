"""Do servers share out the partitions of a queue, and is each always followed?

Contract: brokers that share a place in memory but nothing else, as processes do; what is said of a partition is read from its journal.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

import pytest

from asynq_compat.brokers.journal.attending.attendance import Attendance
from asynq_compat.brokers.journal.attending.rendezvous import followed_by
from asynq_compat.brokers.journal.consuming import JournalIntake
from asynq_compat.brokers.journal.membership import Membership
from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.queue import partition_of
from asynq_compat.journals.journal import BEFORE_THE_FIRST, queue_journal_name
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.machine.machine import Machine
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.consuming import Intake, Lease, QueueOrder, SettleOutcome
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.wire.server_info import ServerInfo
from tests.unit.brokers.journal.workplace import enqueue, request, settle, wait_until

_TTL_S = 10
# How long a test waits before five seconds of the virtual clock pass.
_PASSES_S = 1.0


class Worker:
    """A server, as far as a journal sees it."""

    def __init__(self, broker: Broker, capacity: int) -> None:
        self._broker = broker
        self.server_id = server_id = str(uuid.uuid4())
        self.intake: Intake = broker.consuming.open_intake(QueueOrder(weights={"default": 1}), capacity, server_id)
        self._info = ServerInfo(host="host", pid=1, server_id=server_id, queues={"default": 1}, status="active")
        self.beat()

    def beat(self) -> None:
        """Say that it lives."""
        self._broker.registering.write_server_state(self._info, [], _TTL_S)
        self.intake.extend([])

    def work(self) -> list[Lease]:
        """Do what is there."""
        leases = list(self.intake.take(0.0))
        for lease in leases:
            lease.has_started = True
        settle(self.intake, leases)
        return leases

    def leave(self) -> None:
        """End gracefully."""
        self.intake.close()
        self._broker.registering.clear_server_state(self._info)

    def die(self) -> None:
        """Fall silent."""
        assert isinstance(self.intake, JournalIntake)
        self.intake.abandon()


class Place:
    """A queue of some partitions, and the servers of one fleet."""

    def __init__(self, count: int) -> None:
        self.clock = VirtualClock()
        self._name = uuid.uuid4().hex
        self._count = count
        self._brokers: list[Broker] = []
        self._store = self.open_store()
        self._machines = [Machine("default") for _ in range(count)]
        self._journals = [self._store.open(queue_journal_name("default", number)) for number in range(count)]
        self.workers: list[Worker] = []
        self._was_followed: set[int] = set()
        # Partitions that had followers and then none, and since which position.
        self.forsaken: list[tuple[int, int]] = []

    def open_store(self) -> MemoryJournalStore:
        return MemoryJournalStore(self._name, now_ms=self.clock.now_ms)

    def broker(self) -> Broker:
        """Open one more process."""
        broker = open_journal(self.open_store(), clock=self.clock, idle_s=0.01, partition_count=self._count)
        self._brokers.append(broker)
        return broker

    def join(self, capacity: int = 8) -> Worker:
        """Let a server join."""
        self.workers.append(Worker(self.broker(), capacity))
        return self.workers[-1]

    def pass_s(self, seconds: int) -> None:
        """Let time pass; the living say so."""
        for _ in range(0, seconds, 5):
            self.clock.advance_s(5)
            for one in self.workers:
                one.beat()

    def followers(self) -> list[set[str]]:
        """Return which servers have a session in each partition."""
        return [{view.server_id for view in machine.sessions()} for machine in self._folded()]

    def awake(self) -> list[set[str]]:
        """Return which servers have credit or tasks in each partition."""
        return [{view.server_id for view in machine.sessions() if view.rank is not None} for machine in self._folded()]

    def _folded(self) -> list[Machine]:
        for number, (machine, journal) in enumerate(zip(self._machines, self._journals, strict=True)):
            upto = machine.position if machine.position >= 0 else BEFORE_THE_FIRST
            for entry in journal.read(upto, wait_s=0.0).entries:
                machine.apply(entry.position, entry.timestamp_ms, entry.is_log_time, entry.data, entry.headers)
                if machine.sessions():
                    self._was_followed.add(number)
                elif number in self._was_followed:
                    self.forsaken.append((number, entry.position))
        return self._machines

    def close(self) -> None:
        """Close all."""
        for broker in self._brokers:
            broker.close()
        for journal in self._journals:
            journal.close()


@pytest.fixture(params=[4, 16])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    found = Place(request.param)
    yield found
    found.close()


def is_shared_out(place: Place) -> bool:
    """Return whether each partition is followed by those who should, and nobody else."""
    count = len(place.followers())
    living = [one.server_id for one in place.workers]
    should = {one: followed_by(one, living, "default", count) for one in living}
    return place.followers() == [{one for one in living if number in should[one]} for number in range(count)]


class SharedOut:
    """Whether all is shared out. Who was refused to leave tries again ten seconds later, so time passes for who waits."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._passes_at_s = time.monotonic() + _PASSES_S

    def __call__(self) -> bool:
        """Look, and let time pass now and then."""
        if time.monotonic() >= self._passes_at_s:
            self._place.pass_s(5)
            self._passes_at_s = time.monotonic() + _PASSES_S
        return is_shared_out(self._place)


def done(place: Place, ids: list[str]) -> list[str]:
    """Let the living work until nothing is left."""
    ran: list[str] = []

    def work() -> bool:
        for one in place.workers:
            ran.extend(lease.task_id for lease in one.work())
        return len(ran) >= len(ids)

    wait_until(work, "all are done")
    return ran


def test_two_servers_both_follow_all(place: Place) -> None:
    place.join()
    place.join()

    assert all(len(one) == 2 for one in place.followers())


def test_more_servers_share_out_the_partitions_and_every_task_is_done_once(place: Place) -> None:
    for _ in range(5):
        place.join()
    wait_until(SharedOut(place), "each is followed by those who should")

    ids = enqueue(place.broker(), 200)

    assert sorted(done(place, ids)) == sorted(ids)
    assert not place.forsaken


def test_what_a_server_leaves_is_followed_by_others(place: Place) -> None:
    for _ in range(4):
        place.join()
    wait_until(SharedOut(place), "two follow each")

    for _ in range(3):
        place.workers.pop(0).leave()
        wait_until(SharedOut(place), "the others have taken over")

    ids = enqueue(place.broker(), 50)
    assert sorted(done(place, ids)) == sorted(ids)
    assert not place.forsaken


def test_what_a_dead_server_followed_is_followed_by_others_before_its_lease_ends(place: Place) -> None:
    for _ in range(4):
        place.join()
    wait_until(SharedOut(place), "two follow each")

    for _ in range(2):
        place.workers.pop(0).die()
        place.pass_s(15)  # What it told is forgotten after 10.
        wait_until(lambda: min(map(len, living(place))) == 2, "two that live follow each")
    place.pass_s(30)

    names = {one.server_id for one in place.workers}
    # One that had just withdrawn to leave is dormant for longer, and given nothing.
    wait_until(lambda: all(one == names for one in place.awake()), "only those that live are given tasks")
    assert not place.forsaken


def living(place: Place) -> list[set[str]]:
    """Return which of the living follow each partition."""
    names = {one.server_id for one in place.workers}
    return [one & names for one in place.followers()]


def test_a_task_that_runs_holds_up_the_leaving_of_its_partition(place: Place) -> None:
    first = place.join(capacity=64)
    enqueue(place.broker(), 60)
    leases: list[Lease] = []

    def take() -> bool:
        leases.extend(first.intake.take(0.0))
        return len(leases) == 60

    wait_until(take, "all are taken")
    for lease in leases:
        lease.has_started = True
    for _ in range(4):
        place.join()
    wait_until(lambda: min(len(one - {first.server_id}) for one in place.followers()) >= 1, "others have come")
    place.pass_s(5)
    followers = place.followers()
    busy = {partition_of(lease.task_id, len(followers)) for lease in leases}
    assert all(first.server_id in followers[number] for number in busy)

    assert settle(first.intake, leases) == {SettleOutcome.SETTLED}

    wait_until(SharedOut(place), "it has left what is not its own")


def test_a_session_to_which_credit_is_on_its_way_is_not_idle_though_it_is_withdrawn_behind(place: Place) -> None:
    partitions = Partitions(place.open_store(), place.clock)
    membership = Membership(partitions, QueueOrder(weights={"default": 1}), 8, "me", Attendance(partitions, "me"))
    seat = next(iter(membership.seats.values()))
    seat.session.opened(1, 0.0, credit=0)

    with membership.lock:
        frames = [membership.frame(seat, delta, []) for delta in (3, -3)]
    states = [seat.session.is_idle]
    assert not seat.session.needs_lease, "nothing can be lost: it is not replaced for being renewed late"
    for frame in frames:
        assert frame.on_fate is not None
        frame.on_fate(frame)
        states.append(seat.session.is_idle)
    partitions.close()

    assert states == [False, False, True]


def test_an_idle_server_helps_where_the_followers_are_busy() -> None:
    place = Place(4)
    try:
        for _ in range(12):
            place.join(capacity=1)
        wait_until(SharedOut(place), "the partitions are shared out")
        ids = [one for one in (str(uuid.uuid4()) for _ in range(100)) if partition_of(one, 4) == 2][:12]
        requests = [request(task_id=one) for one in ids]
        place.broker().producing.enqueue(requests)
        leases: list[Lease] = []

        def take() -> bool:
            for one in place.workers:
                taken = list(one.intake.take(0.0))
                for lease in taken:
                    lease.has_started = True
                leases.extend(taken)
            return len(leases) == 12

        for _ in range(6):
            place.pass_s(5)
            if take():
                break
        wait_until(take, "each server works on one task of the one partition")
    finally:
        place.close()
