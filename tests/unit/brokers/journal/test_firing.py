"""Is a firing made once on a journal, wherever the scheduler that makes it dies?

Two brokers on one file stand for two processes. What a dying one does not do any more is made to fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from asynq_compat.brokers.journal import scheduling
from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.sqlite import SqliteJournalStore
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.consuming import Lease, QueueOrder, SettleKind, Settlement
from asynq_compat.ports.producing import EnqueueRequest, EnqueueStatus
from asynq_compat.ports.scheduling import FIRING_TERM_S, Firing, NotFired
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.wire import scheduling_command
from asynq_compat.wire.message import TaskMessage, encode_message
from asynq_compat.wire.unique import unique_key
from tests.services.waiting import wait_until

QUEUE = "q"


@pytest.fixture
def brokers(tmp_path: Path, clock: VirtualClock) -> Iterator[tuple[Broker, Broker]]:
    opened = [
        open_journal(
            SqliteJournalStore(str(tmp_path / "q.db"), now_ms=clock.now_ms),
            clock=clock,
            idle_s=0.02,
            reply_s=0.05,
            replica=is_follower,
        )
        for is_follower in (False, True)
    ]
    yield opened[0], opened[1]
    for broker in opened:
        broker.close()


def request(*, unique: bool = False) -> EnqueueRequest:
    key = unique_key(QUEUE, "t", b"") if unique else ""
    message = TaskMessage(type="t", id="id-of-the-firing", queue=QUEUE, retry=25, timeout=1800, unique_key=key)
    return EnqueueRequest(
        QUEUE, message.id, encode_message(message), unique_key=key, unique_ttl_s=3_600 if unique else 0
    )


def firing(clock: VirtualClock, holder: str, at_s: int) -> Firing:
    return Firing("entry", at_s, holder)


def die(*args: object, **kwargs: object) -> object:
    raise BrokerUnavailableError("killed")


def run_all(broker: Broker) -> int:
    """Work until nothing is left; return how much it was."""
    intake = broker.consuming.open_intake(QueueOrder(weights={QUEUE: 1}), 10, "server")
    done: list[Lease] = []

    def is_nothing_left() -> bool:
        leases = intake.take(0.05)
        intake.settle([Settlement(lease, SettleKind.DONE) for lease in leases], len(leases))
        done.extend(leases)
        stats = broker.inspecting.queue_stats(QUEUE)
        return stats is not None and stats.pending + stats.active == 0

    wait_until(is_nothing_left, "all to be done")
    intake.close()
    return len(done)


@pytest.mark.parametrize("unique", [False, True], ids=["plain", "unique"])
def test_who_dies_before_its_task_is_stored_is_made_up_for(
    brokers: tuple[Broker, Broker], clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, unique: bool
) -> None:
    dying, other = brokers
    at_s = clock.now_s()
    with monkeypatch.context() as patch:
        patch.setattr(scheduling, "fire_frame", die)
        with pytest.raises(BrokerUnavailableError):
            dying.scheduling.fire(request(unique=unique), firing(clock, "dying", at_s))

    assert other.scheduling.fire(request(unique=unique), firing(clock, "other", at_s)) is NotFired.UNDER_WAY
    clock.advance_s(FIRING_TERM_S)
    assert other.scheduling.fire(request(unique=unique), firing(clock, "other", at_s)) is EnqueueStatus.ENQUEUED

    assert run_all(other) == 1
    assert dying.scheduling.fire(request(unique=unique), firing(clock, "dying", at_s)) is NotFired.ELSEWHERE


@pytest.mark.parametrize("unique", [False, True], ids=["plain", "unique"])
def test_who_dies_behind_its_task_is_not_made_up_for_twice(
    brokers: tuple[Broker, Broker], clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, unique: bool
) -> None:
    """Also when the task has been done and deleted before the next scheduler comes."""
    dying, other = brokers
    at_s = clock.now_s()
    with monkeypatch.context() as patch:
        patch.setattr(scheduling_command, "fired", die)
        with pytest.raises(BrokerUnavailableError):
            dying.scheduling.fire(request(unique=unique), firing(clock, "dying", at_s))
    assert run_all(other) == 1
    clock.advance_s(FIRING_TERM_S)

    assert other.scheduling.fire(request(unique=unique), firing(clock, "other", at_s)) is EnqueueStatus.ENQUEUED

    assert run_all(other) == 0
    assert dying.scheduling.fire(request(unique=unique), firing(clock, "dying", at_s)) is NotFired.ELSEWHERE


def test_a_client_that_folds_nothing_learns_of_a_refusal_from_a_server(
    brokers: tuple[Broker, Broker], clock: VirtualClock
) -> None:
    thin, server = brokers
    held = request(unique=True)
    other = TaskMessage(type="t", id="other", queue=QUEUE, retry=25, timeout=1800, unique_key=held.unique_key)
    server.producing.enqueue([held])
    intake = server.consuming.open_intake(QueueOrder(weights={QUEUE: 1}), 10, "server")
    wait_until(lambda: intake.take(0.05), "a session")
    refused = EnqueueRequest(QUEUE, other.id, encode_message(other), unique_key=held.unique_key, unique_ttl_s=3_600)

    outcomes = [thin.scheduling.fire(refused, firing(clock, "thin", clock.now_s())) for _ in range(2)]

    assert outcomes == [EnqueueStatus.DUPLICATE] * 2
    intake.close()


def test_a_process_that_stood_still_between_its_claim_and_its_task_stores_none(
    brokers: tuple[Broker, Broker], clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine may have forgotten by then that another made the firing."""
    slept, other = brokers
    at_s = clock.now_s()
    claimed = scheduling.JournalScheduling._claimed

    def sleep(self: scheduling.JournalScheduling, wish: Firing) -> object:
        claim = claimed(self, wish)
        if wish.holder == "slept":
            clock.advance_s(3_700)
        return claim

    monkeypatch.setattr(scheduling.JournalScheduling, "_claimed", sleep)

    assert slept.scheduling.fire(request(), firing(clock, "slept", at_s)) is NotFired.UNDER_WAY
    assert slept.scheduling.fire(request(), firing(clock, "slept", at_s)) is NotFired.TOO_LATE
    assert other.inspecting.queues() == []
