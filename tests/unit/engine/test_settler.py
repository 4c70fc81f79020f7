"""Is every slot given out again exactly once, and is no outcome lost, whatever a broker answers?"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from asynq_compat.engine.settler import Settler
from asynq_compat.errors import BrokerUnavailableError, InvalidArgumentError
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.consuming import (
    Ended,
    Intake,
    Lease,
    QueueOrder,
    SettleKind,
    Settlement,
    SettleOutcome,
    lease_of,
)
from asynq_compat.ports.inspecting import QueueInfo
from asynq_compat.ports.producing import EnqueueRequest
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.wire.message import TaskMessage, encode_message
from tests.services.waiting import wait_until

PATIENCE_S = 15
SLOTS = 4
LOG = logging.getLogger("test.settler")


class WatchedIntake:
    """A real intake whose settling a test can hold up at a gate and let fail, before or after it was carried out."""

    def __init__(self, inner: Intake) -> None:
        self.take, self.extend, self.write_result = inner.take, inner.extend, inner.write_result
        self.stop, self.close = inner.stop, inner.close
        self._inner = inner
        self.freed = 0
        self.calls: list[list[str]] = []
        self.before: Callable[[Sequence[Ended]], object] = lambda settlements: None
        self.after: Callable[[Sequence[Ended]], object] = lambda settlements: None

    def settle(self, settlements: Sequence[Ended], slots_freed: int) -> Sequence[SettleOutcome]:
        self.freed += slots_freed
        self.calls.append([lease_of(one).task_id for one in settlements])
        self.before(settlements)
        outcomes = self._inner.settle(settlements, 0)
        self.after(settlements)
        return outcomes

    def turn_over(self, slots_freed: int) -> Sequence[Lease]:
        self.freed += slots_freed
        return []


@pytest.fixture
def intake(broker: Broker) -> Iterator[WatchedIntake]:
    intake = WatchedIntake(broker.consuming.open_intake(QueueOrder(weights={"default": 1}), SLOTS, "s"))
    yield intake
    intake.close()


@pytest.fixture
def settler(intake: WatchedIntake) -> Iterator[Settler]:
    settler = Settler(intake, LOG, SLOTS)
    yield settler
    settler.stop()


def leases_of(broker: Broker, intake: WatchedIntake, *task_ids: str) -> list[Lease]:
    """Enqueue tasks with these ids and take them."""
    for task_id in task_ids:
        message = TaskMessage(type="t", id=task_id, queue="default", retry=25, timeout=1800)
        broker.producing.enqueue([EnqueueRequest("default", task_id, encode_message(message))])
    leases: list[Lease] = []

    def have_come() -> bool:
        leases.extend(intake.take(1.0))
        return len(leases) == len(task_ids)

    wait_until(have_come, "the tasks are taken")
    return leases


def done(lease: Lease) -> Settlement:
    return Settlement(lease, SettleKind.DONE)


def stats(broker: Broker) -> QueueInfo:
    found = broker.inspecting.queue_stats("default")
    assert found is not None
    return found


def raise_once(error: Exception) -> Callable[[Sequence[Ended]], None]:
    """Return what raises `error` at its first call."""
    errors = [error]

    def maybe(settlements: Sequence[Ended]) -> None:
        if errors:
            raise errors.pop()

    return maybe


def test_slots_that_were_given_out_early_are_not_given_out_again(intake: WatchedIntake, settler: Settler) -> None:
    entered, gate = threading.Event(), threading.Event()

    def wait_at_the_gate(settlements: Sequence[Ended]) -> None:
        entered.set()
        assert gate.wait(PATIENCE_S)

    intake.before = wait_at_the_gate
    settler.start()

    settler.add(None)
    assert entered.wait(PATIENCE_S)
    for _ in range(5):
        settler.add(None)
        settler.turn_over()
    gate.set()
    settler.stop()

    assert intake.freed == 6


def test_outcomes_that_keep_coming_right_behind_one_another_wait_for_company(
    intake: WatchedIntake, settler: Settler
) -> None:
    class Stopping(threading.Event):
        """While it is waited for, the next outcome comes."""

        def wait(self, timeout: float | None = None) -> bool:
            del timeout
            settler.add(None)
            return False

    settler.stopping = Stopping()
    freed = []
    for _ in range(6):
        settler.add(None)
        settler.run_once()
        freed.append(intake.freed)

    assert freed == [1, 2, 3, 4, 6, 8]


def test_what_was_settled_although_the_answer_was_lost_is_no_news(
    broker: Broker, intake: WatchedIntake, settler: Settler, caplog: pytest.LogCaptureFixture
) -> None:
    """The second try finds nothing to do; its task is counted once, and nobody is told that it was lost."""
    intake.after = raise_once(BrokerUnavailableError("no answer", may_have_happened=True))
    (lease,) = leases_of(broker, intake, "a")
    settler.start()

    settler.add(done(lease))
    wait_until(lambda: len(intake.calls) == 2, "the settler tries again")
    settler.stop()

    assert intake.calls == [["a"], ["a"]]
    assert intake.freed == 1
    assert "Will retry syncing" in caplog.text
    assert "does not hold it any more" not in caplog.text
    assert stats(broker).processed == 1


def test_what_was_not_held_any_more_at_the_second_try_is_told(
    broker: Broker, intake: WatchedIntake, settler: Settler, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The lease ended during the try: it may have been this server that settled the task, or another one."""

    def answer_late(settlements: Sequence[Ended]) -> None:
        if len(intake.calls) == 1:
            raise BrokerUnavailableError("no answer", may_have_happened=True)
        clock.advance_s(31)

    intake.after = answer_late
    settler.add(done(*leases_of(broker, intake, "a")))
    settler.run_once()
    settler.run_once()

    assert "Could not settle task id=a of queue 'default' as done: this server does not hold it any more" in caplog.text


def test_what_was_added_last_is_settled_at_the_stop(broker: Broker, intake: WatchedIntake, settler: Settler) -> None:
    (lease,) = leases_of(broker, intake, "a")

    settler.add(done(lease))
    settler.finish()

    assert (stats(broker).active, stats(broker).processed) == (0, 1)


def test_a_broker_that_is_away_is_asked_less_and_less_often_until_it_is_back(
    broker: Broker, intake: WatchedIntake, settler: Settler
) -> None:
    is_back = threading.Event()

    def fail(settlements: Sequence[Ended]) -> None:
        if not is_back.is_set():
            raise BrokerUnavailableError("gone")

    intake.before = fail
    settler.add(done(*leases_of(broker, intake, "a")))
    waits_s = [settler._retry_wait_s]
    settler.run_once()
    for _ in range(6):
        waits_s.append(settler._retry_wait_s)
        settler._settle_again()
    is_back.set()
    settler._settle_again()

    assert waits_s == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert settler._retry_wait_s == 0.25
    assert stats(broker).processed == 1


def test_what_somebody_else_settled_is_told(
    broker: Broker, intake: WatchedIntake, settler: Settler, caplog: pytest.LogCaptureFixture
) -> None:
    (lease,) = leases_of(broker, intake, "a")
    settler.add(done(lease))
    settler.run_once()

    settler.add(done(lease))
    settler.run_once()

    assert "Could not settle task id=a of queue 'default' as done: this server does not hold it any more" in caplog.text


@pytest.mark.parametrize("error", [BrokerUnavailableError("gone"), RuntimeError("nobody foresaw it")])
def test_what_could_not_be_settled_is_settled_when_the_server_stops(
    broker: Broker, intake: WatchedIntake, settler: Settler, error: Exception
) -> None:
    """However soon that is: the thread does not wait for its next try."""
    (lease,) = leases_of(broker, intake, "a")
    is_over = threading.Event()

    def fail(settlements: Sequence[Ended]) -> None:
        if not is_over.is_set():
            raise error

    intake.before = fail
    settler.start()
    settler.add(done(lease))
    wait_until(lambda: len(intake.calls) >= 2, "the settler has tried")

    is_over.set()
    settler.stop()

    assert (stats(broker).active, stats(broker).processed) == (0, 1)


def test_what_cannot_be_settled_at_the_stop_either_is_told(
    broker: Broker, intake: WatchedIntake, settler: Settler, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(settlements: Sequence[Ended]) -> None:
        raise BrokerUnavailableError("gone")

    intake.before = fail
    settler.start()
    settler.add(done(*leases_of(broker, intake, "a")))

    settler.stop()

    assert [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR] == [
        "Could not settle task id=a of queue 'default' as done"
    ]


@pytest.mark.parametrize("comes_after_an_outage", [False, True])
@pytest.mark.parametrize("error", [InvalidArgumentError("too large"), RuntimeError("nobody foresaw it")])
def test_one_that_the_broker_refuses_costs_no_other_its_outcome(
    broker: Broker,
    intake: WatchedIntake,
    settler: Settler,
    error: Exception,
    caplog: pytest.LogCaptureFixture,
    *,
    comes_after_an_outage: bool,
) -> None:
    leases = leases_of(broker, intake, "a", "poison", "b")

    def refuse(settlements: Sequence[Ended]) -> None:
        if comes_after_an_outage and len(intake.calls) == 1:
            raise BrokerUnavailableError("gone")
        if any(lease_of(one).task_id == "poison" for one in settlements):
            raise error

    intake.before = refuse
    for lease in leases:
        settler.add(done(lease))
    for _ in range(2 if comes_after_an_outage else 1):
        settler.run_once()

    assert (stats(broker).active, stats(broker).processed) == (1, 2)
    assert "Could not settle task id=poison" in caplog.text
    # What our own tree refuses is refused for good; what nobody foresaw may pass.
    assert [lease_of(one).task_id for one in settler._unsettled] == (["poison"] if error.args[0] != "too large" else [])


def test_an_unforeseen_error_of_the_broker_ends_no_thread_and_loses_no_outcome(
    broker: Broker, intake: WatchedIntake, settler: Settler, caplog: pytest.LogCaptureFixture
) -> None:
    leases = leases_of(broker, intake, "a", "b")
    errors: list[Exception] = [KeyError("a"), ZeroDivisionError(), RuntimeError("a third time")]

    def fail(settlements: Sequence[Ended]) -> None:
        if errors:
            raise errors.pop(0)

    intake.before = fail
    settler.start()
    for lease in leases:
        settler.add(done(lease))

    wait_until(lambda: stats(broker).processed == 2, "both are settled in the end")
    assert "RuntimeError" in caplog.text or "ZeroDivisionError" in caplog.text, "the traceback is in the log"


def test_nothing_is_written_for_a_task_whose_lease_is_over(
    broker: Broker, intake: WatchedIntake, settler: Settler, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be somebody else's. Its slot is free all the same."""
    gone, put_off = leases_of(broker, intake, "gone", "put off")
    intake.before = raise_once(BrokerUnavailableError("gone"))
    settler.add(done(put_off))
    settler.run_once()
    clock.advance_s(31)

    settler.add(done(gone))
    settler.run_once()
    settler.finish()

    assert [task_id for call in intake.calls for task_id in call] == ["put off"]
    assert intake.freed == 2
    assert "id=put off of queue 'default' as done: its lease is over; it will be recovered" in caplog.text


class CountedWaits(threading.Event):
    """Counts the waits for company."""

    count = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.count += 1
        return super().wait(timeout)


@pytest.mark.parametrize(("slots", "waits"), [(1, False), (2, True)])
def test_one_slot_alone_is_settled_without_a_wait_for_company(intake: WatchedIntake, slots: int, waits: bool) -> None:
    """Its next task comes with the settlement of the one before."""
    settler = Settler(intake, LOG, slots)
    settler.stopping = company = CountedWaits()

    for _ in range(8):
        settler.add(None)
        settler.run_once()

    assert bool(company.count) is waits
